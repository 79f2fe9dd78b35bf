"""What is read of the machine: ports in use, mounts, processes."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from localkube import preflight
from localkube.config import Instance
from localkube.daemons import Daemon, program, start_time
from localkube.errors import ClusterError
from localkube.preflight import missing_tools, taken_ports
from localkube.shell import run, tail, wait_for
from localkube.teardown import mounts_below

SOCKET = "tcp LISTEN 0 4096 {address} 0.0.0.0:*"


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("0.0.0.0:6443", True),
        ("*:53", True),
        ("10.89.0.1:6443", True),
        ("127.89.0.1%lo:2379", True),
        ("10.89.1.1:6443", False),
        ("127.0.0.1:6443", False),
        ("0.0.0.0:22", False),
    ],
)
def test_ports_in_the_way(address: str, taken: bool) -> None:
    assert bool(taken_ports(Instance(), SOCKET.format(address=address))) is taken


def test_a_missing_tool_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda tool: None if tool == "runc" else tool)
    assert "runc: apt-get install runc" in missing_tools()


def test_every_needed_package_is_in_the_list_that_set_up_installs() -> None:
    listed = (Path(preflight.__file__).parent / "apt-packages.txt").read_text().split()
    needed = {name for names in preflight.PACKAGES.values() for name in names.split()}
    assert needed <= set(listed)


def test_mounts_are_found_deepest_first() -> None:
    lines = ["/", "/state/a", "/state/a/b", "/statehood/c"]
    text = "\n".join(f"1 2 0:1 / {point} rw - tmpfs tmpfs rw" for point in lines)
    assert mounts_below(Path("/state"), mountinfo=text) == ["/state/a/b", "/state/a"]


def test_a_process_id_that_was_used_again_is_not_our_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Instance, "run", tmp_path)
    daemon = Daemon(Instance(), "test", ["sleep"])
    daemon.record.parent.mkdir()
    known = {"pid": os.getpid(), "started": start_time(os.getpid()), "argv": ["sleep"]}
    daemon.record.write_text(json.dumps(known))
    assert daemon.pid() == os.getpid()
    for other in ({**known, "started": 1}, {**known, "pid": 2**22 + 1, "started": None}):
        daemon.record.write_text(json.dumps(other))
        assert daemon.pid() is None


def test_an_ended_process_has_no_start_time_and_no_program() -> None:
    with subprocess.Popen(["true"]) as process:
        assert wait_for(lambda: start_time(process.pid) is None, 10)  # a zombie counts as ended
    assert program(process.pid) == ""


def test_a_failed_command_shows_its_words() -> None:
    with pytest.raises(ClusterError, match="cannot access"):
        run("ls", "/does/not/exist")


def test_a_missing_program_points_to_the_package_list() -> None:
    with pytest.raises(ClusterError, match=r"apt-packages\.txt"):
        run("no-such-program-anywhere")


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("a\nb\nc\n")
    assert tail(log, 2) == "b\nc"
