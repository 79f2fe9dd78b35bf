"""`make demo CLUSTER=current REGISTRY=...`: every pod runs what `make images-push` has pushed."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from demo import sample, shell
from images import deliver, recipes

#: A program that writes down how it was called, beside itself.
STUB = """#!/bin/sh
cd "$(dirname "$0")"
echo "$(basename "$0") $*" >> calls
case " $* " in *" apply "*) cat > applied ;; esac
"""


def photo_images(manifests: str) -> list[str]:
    """Images of the Job that renders the photos."""
    docs = [doc for doc in yaml.safe_load_all(manifests) if doc]
    pods = [doc["spec"]["template"]["spec"] for doc in docs if doc["kind"] == "Job"]
    return [container["image"] for pod in pods for container in pod["containers"]]


@pytest.mark.parametrize("registry", ["registry.example/me", "registry.example/me/"])
@pytest.mark.parametrize("torch", ["cpu", "cuda"])
def test_photos_and_workers_run_the_image_that_was_pushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: str, torch: str
) -> None:
    monkeypatch.setattr(deliver, "_run", lambda *_: None)
    [pushed] = deliver.push("docker", [recipes.trainer(torch).image], registry)
    calls, applied = _demo(tmp_path, REGISTRY=registry, TORCH=torch)
    assert photo_images(applied) == [pushed]
    [install] = [line.split() for line in calls if line.startswith("helm")]
    assert f"trainerImage={pushed}" in install


def test_without_a_registry_the_sample_is_applied_as_it_is(tmp_path: Path) -> None:
    calls, applied = _demo(tmp_path, REGISTRY="", TORCH="cpu")
    assert applied == sample.PATH.read_text()
    assert photo_images(applied) == [sample.TRAINER] == [recipes.trainer("cpu").image]
    assert not any("trainerImage" in line for line in calls)


def _demo(folder: Path, **env: str) -> tuple[list[str], str]:
    """What the demo, until it waits for the job, says to helm and kubectl, and what it applies."""
    for name in ("kubectl", "helm"):
        (folder / name).write_text(STUB)
        (folder / name).chmod(0o755)
    given = {"CLUSTER": "current", "TIMEOUT": "0", "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(
        [str(shell.ROOT / "tools/demo/demo")],
        env=os.environ | given | env,
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert "gave up after 0 s" in done.stdout, done.stdout + done.stderr
    return (folder / "calls").read_text().splitlines(), (folder / "applied").read_text()
