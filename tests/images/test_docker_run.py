"""The docker command line of tools/images/in-trainer."""

from __future__ import annotations

from pathlib import Path

from images.docker_run import command_line
from images.sandbox import Bind, Sandbox

BOX = Sandbox(
    layers=(),
    scratch=Path("/unused"),
    binds=(Bind(Path("/checkout"), "/src", writable=False), Bind(Path("/cache"), "/cache")),
    tmpfs=("/tmp",),
    env={"OMP_NUM_THREADS": "1"},
    cwd="/src",
)


def test_image_and_command_come_last() -> None:
    line = command_line("trainer:cpu", BOX, ["python3", "--version"])
    assert line[:2] == ["docker", "run"]
    assert line[-3:] == ["trainer:cpu", "python3", "--version"]


def test_confinement_is_that_of_the_sandbox() -> None:
    line = " ".join(command_line("trainer:cpu", BOX, ["true"]))
    for option in (
        "--read-only",
        "--user 10001:10001",
        "--workdir /src",
        "--network none",
        "--volume /checkout:/src:ro",
        "--volume /cache:/cache:rw",
        "--tmpfs /tmp:",
        "--env OMP_NUM_THREADS=1",
    ):
        assert option in line
