"""The sandbox behind tools/images/in-trainer, tried on this machine's own root file system."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
RUNNER = """
import json, sys
from pathlib import Path
from images import sandbox
scratch, binds, command = json.loads(sys.argv[1])
box = sandbox.Sandbox(
    layers=("/",),
    scratch=Path(scratch),
    binds=tuple(sandbox.Bind(Path(source), target, rw) for source, target, rw in binds),
    env={"PATH": "/usr/bin:/bin", "GREETING": "hello"},
    cwd="/tmp",
)
sys.exit(sandbox.run(box, command))
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


Starter = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Starter:
    def start(
        *command: str, binds: tuple[tuple[str, str, bool], ...] = ()
    ) -> subprocess.Popen[str]:
        scratch = str(tmp_path_factory.mktemp("scratch"))
        return subprocess.Popen(
            [sys.executable, "-c", RUNNER, json.dumps([scratch, binds, command])],
            env={**os.environ, "PYTHONPATH": str(TOOLS)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.mark.parametrize("code", [0, 7])
def test_exit_code_is_passed_on(start: Starter, code: int) -> None:
    process = start("sh", "-c", f"exit {code}")
    process.communicate(timeout=30)
    assert process.returncode == code


def test_unknown_command_is_named(start: Starter) -> None:
    process = start("no-such-command")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 127
    assert "no-such-command" in errors


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("id -u; id -g; id -G", "10001\n10001\n10001\n"),
        ("echo $GREETING $HOME", "hello\n"),
        ("pwd", "/tmp\n"),
        ("touch /tmp/x /workspace/x /dev/shm/x && echo written", "written\n"),
        ("touch /x 2>/dev/null || echo refused", "refused\n"),
        ("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '", "lo\n"),
        ("ls -d /proc/[0-9]* | wc -l | grep -qE '^[1-9]$' && echo few", "few\n"),
    ],
    ids=["user", "environment", "folder", "writable", "read-only", "network", "processes"],
)
def test_what_the_command_sees(start: Starter, command: str, wanted: str) -> None:
    process = start("sh", "-c", command)
    output, errors = process.communicate(timeout=30)
    assert output == wanted, errors


def test_mounts_are_writable_unless_told_otherwise(start: Starter, tmp_path: Path) -> None:
    for name in ("open", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o777)
    binds = (
        (str(tmp_path / "open"), "/workspace/open", True),
        (str(tmp_path / "closed"), "/workspace/closed", False),
    )
    start("touch", "/workspace/open/x", "/workspace/closed/x", binds=binds).wait(timeout=30)
    assert (tmp_path / "open/x").exists()
    assert not (tmp_path / "closed/x").exists()


def test_nothing_stays_mounted_and_a_signal_ends_the_command(
    start: Starter, tmp_path_factory: pytest.TempPathFactory
) -> None:
    process = start("sh", "-c", "echo ready; exec sleep 600")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 128 + signal.SIGTERM
    assert str(tmp_path_factory.getbasetemp()) not in Path("/proc/self/mounts").read_text()
