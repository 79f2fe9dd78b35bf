"""The command line itself: usage, files, and errors in one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from kubernetes.client.exceptions import ApiException
from PIL import Image
from typer.testing import CliRunner

from nerf_cli import errors, manifest, options, origin, running
from nerf_cli.app import app
from nerf_cli.folder import inspect
from nerf_contract.dataset import ENOUGH_PHOTOS

COMMANDS = "init upload run watch logs results view explain scale"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "Kitchen 1"
    folder.mkdir()
    for name in ("a", "b", "c"):
        Image.new("RGB", (32, 24)).save(folder / f"{name}.jpg")
    return folder


def call(*args: str, **env: str) -> tuple[int, str]:
    """Exit code and output of a call."""
    done = CliRunner().invoke(app, list(args), env=env)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def test_help_lists_every_command() -> None:
    code, text = call("--help")
    assert code == 0
    assert all(f" {name} " in text for name in COMMANDS.split())


@pytest.mark.parametrize(
    "args",
    [
        ["launch"],
        ["init"],
        ["upload", ".", "--path", "../other"],
        ["upload", ".", "--path", "", "--delete"],
        ["upload", ".", "--path", ".", "--delete"],
        ["run", ".", "--gpus", "-1"],
        ["run", ".", "--timeout", "soon"],
        ["run", ".", "-f", "job.yaml", "--steps", "5"],
        ["logs", "scene", "--stage", "dreams"],
        ["results", "scene"],
        ["scale", "scene", "none"],
    ],
)
def test_wrong_usage_is_2(args: list[str]) -> None:
    code, text = call(*args)
    assert code == 2, text
    assert "Traceback" not in text


def test_init_writes_a_job_and_never_over_a_file(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "job.yaml"
    code, text = call("init", str(photos), "-o", str(out), "--gpus", "1", "--workers", "2")
    assert code == 0, text
    job = manifest.parse(out.read_text(), "it")
    assert job["metadata"]["name"] == "kitchen-1"
    assert job["spec"]["dataset"]["claimName"] == "kitchen-1-photos"
    workers = job["spec"]["workers"]
    assert (workers["replicas"], workers["gpusPerWorker"]) == (2, 1)
    code, text = call("init", str(photos), "-o", str(out))
    assert code == 1
    assert "exists. Replace it by --force" in text
    assert call("init", str(photos), "-o", str(out), "--force")[0] == 0


def test_run_deletes_nothing_at_the_root_of_a_volume(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "job.yaml"
    assert call("init", str(photos), "-o", str(out))[0] == 0
    out.write_text(out.read_text().replace("path: kitchen-1 ", "path: '' "))
    code, text = call("run", str(photos), "-f", str(out), "--delete")
    assert code == 2
    assert "would delete other datasets" in " ".join(text.replace("│", " ").split())


@pytest.mark.parametrize(
    ("path", "args", "want"),
    [
        ("kitchen-1", [], "refuse"),
        ("kitchen-1", ["--delete"], "delete"),
        ("''", [], "tell"),
    ],
)
def test_run_takes_only_the_photos_of_the_folder(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    args: list[str],
    want: str,
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(running, "submit", lambda *given: asked.extend(given))
    monkeypatch.setattr(running, "watch_to_end", lambda *_: 0)
    monkeypatch.setattr("nerf_cli.app.connect", lambda *_: None)
    out = tmp_path / "job.yaml"
    assert call("init", str(photos), "-o", str(out))[0] == 0
    out.write_text(out.read_text().replace("path: kitchen-1 ", f"path: {path} "))
    code, text = call("run", str(photos), "-f", str(out), *args)
    assert code == 0, text
    _, _, job, target, *_ = asked
    assert target.others == want
    assert origin.same(job, origin.mark({"metadata": {}}, inspect(photos)))


def test_init_tells_which_videos_are_left_out(photos: Path, tmp_path: Path) -> None:
    for i in range(ENOUGH_PHOTOS):
        Image.new("RGB", (32, 24)).save(photos / f"{i}.jpg")
    (photos / "walk.mp4").write_bytes(b"")
    out = tmp_path / "job.yaml"
    code, text = call("init", str(photos), "-o", str(out))
    assert code == 0, text
    assert "Left out beside so many photos: walk.mp4." in text
    assert "# found here: photos" in out.read_text()


def test_init_to_the_terminal_is_nothing_but_yaml(photos: Path) -> None:
    done = CliRunner().invoke(app, ["init", str(photos), "-o", "-", "--name", "scene"])
    assert yaml.safe_load(done.stdout)["metadata"]["name"] == "scene"
    assert "3 photos of 32 x 24" in done.stderr


@pytest.mark.parametrize("command", ["init", "upload", "run"])
def test_a_folder_without_photos_is_refused_in_a_sentence(command: str, tmp_path: Path) -> None:
    code, text = call(command, str(tmp_path))
    assert code == 1
    assert "holds no photos" in text


def test_a_cluster_that_is_away_is_said(tmp_path: Path) -> None:
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}
    config = {
        **{"apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [cluster]},
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    code, text = call("watch", "scene", "--kubeconfig", str(path))
    assert code == 1
    assert "does not answer" in text
    assert "Connection refused" in text
    code, text = call("watch", "scene", "--kubeconfig", str(path), "--context", "other")
    assert code == 1
    assert "No cluster can be talked to" in text


def refusal(status: int, message: str = "", kind: str | None = "x", text: str = "") -> ApiException:
    error = ApiException(status=status, reason="Reason")
    details = {"kind": kind} if kind else {}
    error.body = text or json.dumps({"message": message, "details": details})
    return error


@pytest.mark.parametrize(
    ("error", "want"),
    [
        (
            refusal(
                403,
                'pods is forbidden: User "ann" cannot create resource "pods" in API group "" in '
                'the namespace "x"',
            ),
            'You (ann) lack the right to create pods in API group "" in the namespace "x".',
        ),
        (refusal(404, text="404 page not found\n"), "The cluster does not know NeRFJobs"),
        (refusal(401, "Unauthorized"), "The cluster does not accept your credentials"),
        (refusal(422, "spec.x: bad."), "The API server rejects this: spec.x: bad."),
        (refusal(409, "already there"), "The API server says: already there."),
        (refusal(500, text="<html>"), "The API server says: Reason."),
        (FileNotFoundError(2, "No such file or directory", "job.yaml"), "job.yaml: No such file"),
    ],
)
def test_errors_are_sentences(error: Exception, want: str) -> None:
    assert errors.sentence(error).startswith(want)


@pytest.mark.parametrize(
    ("text", "want"), [("90", 90), ("90s", 90), ("30m", 1800), ("1h30m", 5400), ("2d", 172800)]
)
def test_durations(text: str, want: float) -> None:
    assert options.seconds(text) == want


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5h", "m"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        options.seconds(text)
