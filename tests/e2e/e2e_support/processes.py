"""The training processes in a worker's container, without torchrun, which starts them."""

import signal

from e2e_support.kube import Job

_FIND = r"""
import os, pathlib
lines = {p.name: (p / "cmdline").read_bytes() for p in pathlib.Path("/proc").glob("[0-9]*")}
pids = sorted(
    int(pid)
    for pid, line in lines.items()
    if b"nerf_trainer/train.py" in line and int(pid) not in (1, os.getpid())
)
"""


def pids(job: Job, index: int) -> list[int]:
    """Their PIDs in the container of a worker, ascending."""
    return list(map(int, _run(job, index, "print(*pids)").split()))


def send(job: Job, index: int, number: signal.Signals, newest: bool = False) -> None:
    """Send a signal to all of them, or to the newest alone."""
    which = "pids[-1:]" if newest else "pids"
    _run(job, index, f"for pid in {which}: os.kill(pid, {int(number)})")


def shared_memory_bytes(job: Job, index: int) -> int:
    """Size of /dev/shm in the container of a worker."""
    script = "found = os.statvfs('/dev/shm'); print(found.f_blocks * found.f_frsize)"
    return int(_run(job, index, script))


def _run(job: Job, index: int, script: str) -> str:
    pod = job.workers()[index]["metadata"]["name"]
    return job.namespace.run("exec", pod, "--", "python3", "-c", _FIND + script)
