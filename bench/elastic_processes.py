"""Processes and ports of this machine."""

import os
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def children(pid: int) -> list[int]:
    """Direct children of a process that lives or has just died."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found


def descendants(pid: int) -> list[int]:
    """Children, and theirs."""
    found = children(pid)
    for child in list(found):
        found += descendants(child)
    return found


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to a process and all that it has started; torchrun's have sessions of their own."""
    for pid in descendants(process.pid):
        kill(pid)
    process.kill()
    process.wait()


def kill(pid: int) -> None:
    """SIGKILL; one that is gone already is all right."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
