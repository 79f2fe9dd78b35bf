"""How many CPUs this process may use."""

import math
import os
from pathlib import Path

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
CPU_QUOTA_V1 = Path("/sys/fs/cgroup/cpu")


def usable_cpus() -> int:
    """CPUs of the affinity mask, or fewer where a container's quota is lower."""
    cpus = len(os.sched_getaffinity(0))
    quota = _quota()
    return cpus if quota is None else max(1, min(cpus, math.ceil(quota)))


def _quota() -> float | None:
    """The cgroup's CPU limit in CPUs, or None without one."""
    try:
        if CPU_QUOTA.exists():
            limit, period = CPU_QUOTA.read_text().split()
        else:
            limit = (CPU_QUOTA_V1 / "cpu.cfs_quota_us").read_text()
            period = (CPU_QUOTA_V1 / "cpu.cfs_period_us").read_text()
        return int(limit) / int(period) if int(limit) > 0 else None
    except (OSError, ValueError):
        return None
