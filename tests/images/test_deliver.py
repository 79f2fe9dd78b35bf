"""How images reach a cluster or a registry: the commands that are run."""

from __future__ import annotations

from pathlib import Path

import pytest

from images import deliver, layout

TRAINER = "localhost/nerf-trainer:cpu"
SOURCE = f"containers-storage:{layout.STORAGE}{TRAINER}"


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    commands: list[list[str]] = []
    monkeypatch.setattr(deliver, "_run", lambda *parts: commands.append(list(map(str, parts))))
    monkeypatch.setattr(deliver, "images_cache", lambda: tmp_path)
    monkeypatch.setattr(layout, "export", lambda image: tmp_path / "layout")
    monkeypatch.setattr(layout, "archive", lambda folder, target: target.touch())
    return commands


def test_local_cluster_gets_the_layout_folder(ran: list[list[str]], tmp_path: Path) -> None:
    deliver.load("buildah", [TRAINER], "local")
    assert ran == [[str(deliver.LOCALKUBE), "images", "load", str(tmp_path / "layout")]]


@pytest.mark.parametrize(
    ("cluster", "wanted"),
    [("kind", ["kind", "load", "image-archive"]), ("k3s", ["k3s", "ctr", "images", "import"])],
)
def test_other_clusters_get_an_archive(
    ran: list[list[str]], tmp_path: Path, cluster: str, wanted: list[str]
) -> None:
    deliver.load("buildah", [TRAINER], cluster)
    (command,) = ran
    assert command[:-1] == wanted
    assert not Path(command[-1]).exists(), "the archive is temporary"


@pytest.mark.parametrize("cluster", ["local", "kind", "k3s"])
def test_docker_saves_an_archive_first(ran: list[list[str]], cluster: str) -> None:
    deliver.load("docker", [TRAINER], cluster)
    save, load = ran
    assert save == ["docker", "save", "--output", load[-1], TRAINER]


@pytest.mark.parametrize(
    ("registry", "options"),
    [("ghcr.io/me", []), ("localhost:5000/nerf/", ["--dest-tls-verify=false"])],
)
def test_push_keeps_the_short_name(ran: list[list[str]], registry: str, options: list[str]) -> None:
    name = f"{registry.rstrip('/')}/nerf-trainer:cpu"
    assert deliver.push("buildah", [TRAINER], registry) == [name]
    assert ran == [["skopeo", "copy", *options, SOURCE, f"docker://{name}"]]
