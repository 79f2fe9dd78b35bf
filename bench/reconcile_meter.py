"""What the operator's process, and those beside it, have used so far."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from operator_support.process import Operator


@dataclass(frozen=True)
class Reading:
    """cpu: seconds. calls, writes: of the API so far, and those of them that change something."""

    cpu: float
    calls: float
    writes: float

    def since(self, before: "Reading") -> "Reading":
        """What was used between two readings."""
        return Reading(
            self.cpu - before.cpu, self.calls - before.calls, self.writes - before.writes
        )


def read(operator: Operator) -> Reading:
    """The operator's meters now."""
    writes = sum(operator.writes().values())
    return Reading(_cpu_seconds(_pid(operator)), sum(operator.calls().values()), writes)


def cpu_of_all(processes: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds of processes so far, by the names that their ids are given under."""
    return {name: _cpu_seconds(pid) for name, pid in processes.items()}


def peak_megabytes(operator: Operator) -> float:
    """The most memory that was resident at a time."""
    lines = Path(f"/proc/{_pid(operator)}/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024


def _pid(operator: Operator) -> int:
    assert operator.process is not None
    return operator.process.pid


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
