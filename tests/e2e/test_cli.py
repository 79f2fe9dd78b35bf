"""`kubectl nerf` against a real cluster: files to a volume and back, and what it says of jobs."""

import hashlib
import signal
from pathlib import Path

import pytest
from e2e_support.cli import nerf, start
from e2e_support.kube import Namespace, Object, wait_for
from PIL import Image

pytestmark = pytest.mark.cluster
#: Large enough to be caught half-way.
LARGE = 600_000_000


def results(root: Path) -> dict[str, bytes]:
    """Photos, and what a finished job would have beside them; some MB in all."""
    for name in ("a", "b", "c"):
        Image.effect_noise((256, 256), 80).convert("RGB").save(root / f"{name}.jpg")
    for index, name in enumerate(("outputs/video.mp4", "outputs/stills/1.png", "metrics.json")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(hashlib.shake_256(bytes([index])).digest(1 << 20))
    return {name: (root / name).read_bytes() for name in ("metrics.json", "outputs/video.mp4")}


def large_file_begun(namespace: Namespace) -> bool:
    """Whether bytes of the large file have reached the volume."""
    pods = namespace.items("pods", "app.kubernetes.io/component=copy")
    if not pods:
        return False
    script = "cat /volume/scene/.nerf/incoming/* | head -c 1"
    return namespace.run("exec", pods[0]["metadata"]["name"], "--", "sh", "-c", script) != ""


def job(name: str, claim: str) -> Object:
    """A job that has its results on a claim, and waits for photos that never come."""
    return {
        "apiVersion": "nerfops.dev/v1alpha1",
        "kind": "NeRFJob",
        "metadata": {"name": name},
        "spec": {
            "dataset": {"claimName": "not-there"},
            "checkpoint": {"volume": {"claimName": claim}},
        },
    }


def test_an_upload_goes_on_after_an_interruption_and_results_come_back(
    fresh: Namespace, tmp_path: Path
) -> None:
    source, out, log = tmp_path / "scene", tmp_path / "out", tmp_path / "log"
    source.mkdir()
    want = results(source)
    with (source / "video.mov").open("wb") as file:
        file.write(b"x")
        file.truncate(LARGE)
    upload = ("upload", str(source), "--namespace", fresh.name)
    process = start(*upload, log=log)
    wait_for("the large file to be under way", lambda: large_file_begun(fresh), 60)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130, log.read_text()
    assert "the same command goes on from there" in log.read_text()
    assert fresh.items("pods") == []
    code, text = nerf(*upload, log=log)
    assert code == 0, text
    # The small ones had been sent before the large one began.
    assert "sent 1 files" in text
    assert "6 were there already; all are verified" in text

    fresh.apply(job("scene", "scene-photos"))
    fetch = ("results", "scene", "-o", str(out), "-n", fresh.name)
    code, text = nerf(*fetch, log=log)
    assert code == 0, text
    assert {name: (out / name).read_bytes() for name in want} == want
    assert sorted(p.name for p in out.rglob("*") if p.is_file()) == [
        "1.png",
        "metrics.json",
        "video.mp4",
    ]
    assert fresh.items("pods") == []


def test_explain_goes_from_the_condition_to_the_root_cause(
    fresh: Namespace, tmp_path: Path
) -> None:
    large = job("large", "photos")
    large["spec"] |= {
        "dataset": {"claimName": "photos", "format": "nerfstudio"},
        "workers": {"gpusPerWorker": 8},
        "training": {"shards": 8},
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "photos"},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "shared",
            "resources": {"requests": {"storage": "64Mi"}},
        },
    }
    fresh.apply(job("lost", "photos"), claim, large)
    for name, words in {
        "lost": ["because the claim not-there does not exist in namespace"],
        "large": ["no node takes it", "too few GPUs are free; the pod asks for 8"],
    }.items():
        fresh.job(name).wait_condition("Stalled", deadline_s=30)
        code, text = nerf("explain", name, "-n", fresh.name, log=tmp_path / "log")
        assert code == 0, text
        assert [word for word in words if word not in text] == [], text
