"""Long-running processes: started once, found again, ended."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from localkube import cgroups
from localkube.config import Instance
from localkube.errors import ClusterError
from localkube.shell import tail, wait_for


@dataclass(frozen=True)
class Daemon:
    """One server process, in a cgroup of its own below `group`.

    With `enter`, a command prefix that forks into other namespaces, the recorded process is
    the prefix's child, which is the server itself.
    """

    instance: Instance
    name: str
    argv: Sequence[str]
    group: str = "control-plane"
    enter: Sequence[str] = field(default_factory=tuple)

    @property
    def log(self) -> Path:
        """The file of its output."""
        return self.instance.logs / f"{self.name}.log"

    @property
    def record(self) -> Path:
        """The file that remembers the process."""
        return self.instance.run / "daemons" / f"{self.name}.json"

    @property
    def cgroup(self) -> str:
        """Its cgroup, below the instance's."""
        return f"{self.group}/{self.name}"

    def ensure(self) -> bool:
        """Start it unless it runs with these very arguments; True if it was started."""
        if self.is_running():
            if json.loads(self.record.read_text())["argv"] == self._command():
                return False
            self.stop()
        self.start()
        return True

    def start(self) -> None:
        """Start it in its cgroup, where `down` finds it even if we die right after."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.record.parent.mkdir(parents=True, exist_ok=True)
        cgroups.create(self.instance.name, self.cgroup)
        self._end_unrecorded()
        procs = cgroups.tracking_group(self.instance.name, self.cgroup) / "cgroup.procs"
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: _join(procs),
            )
        self._remember(_only_child(process.pid) if self.enter else process.pid)

    def stop(self, how: signal.Signals = signal.SIGTERM, seconds: float = 10) -> None:
        """End it, by force after `seconds`; harmless if it does not run."""
        for step in (how, signal.SIGKILL):
            pid = self.pid()
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, step)
            if wait_for(lambda: not self.is_running(), seconds, 0.02):
                self.record.unlink(missing_ok=True)
                return
        raise ClusterError(f"{self.name} does not end, not even by SIGKILL")

    def is_running(self) -> bool:
        """Whether the recorded process lives."""
        return self.pid() is not None

    def pid(self) -> int | None:
        """The process id, or None when it has ended (ids that were used again do not count)."""
        try:
            known = json.loads(self.record.read_text())
        except (OSError, ValueError):
            return None
        started = start_time(known["pid"])
        return int(known["pid"]) if started and started == known["started"] else None

    def failure(self, what: str) -> ClusterError:
        """An error that shows the end of the log."""
        return ClusterError(f"{self.name}: {what}\n--- end of {self.log}\n{tail(self.log)}")

    def _end_unrecorded(self) -> None:
        """End a twin that was started by someone who died before writing the record.

        Children that outlive the server on purpose, such as containers, run other programs.
        """

        def twins() -> list[int]:
            members = cgroups.members(self.instance.name, self.cgroup)
            return [pid for pid in members if program(pid) == Path(self.argv[0]).name]

        for pid in twins():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not wait_for(lambda: not twins(), 10, 0.02):
            raise ClusterError(f"{self.name} already runs and does not end: {twins()}")

    def _command(self) -> list[str]:
        return [*self.enter, *self.argv]

    def _remember(self, pid: int) -> None:
        known = {"pid": pid, "started": start_time(pid), "argv": self._command()}
        draft = self.record.with_suffix(".draft")
        draft.write_text(json.dumps(known))
        draft.rename(self.record)


def start_time(pid: int) -> int | None:
    """When the process began, in clock ticks since boot; None for no process or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rsplit(")", 1)[1].split()
    return None if fields[0] in "ZX" else int(fields[19])


def program(pid: int) -> str:
    """Name of the program that the process runs; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/exe").readlink().name
    except OSError:
        return ""


def _join(procs: Path) -> None:
    procs.write_text("0")


def _only_child(pid: int) -> int:
    """The child that `nsenter` or `unshare` forked; `pid` itself when it ended already."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found: list[str] = []

    def look() -> bool:
        try:
            found[:] = children.read_text().split()
        except OSError:
            return True
        return bool(found)

    wait_for(look, 5, 0.005)
    return int(found[0]) if found else pid
