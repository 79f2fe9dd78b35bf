"""How much memory this process and its children may use."""

import os
from pathlib import Path

LIMIT = Path("/sys/fs/cgroup/memory.max")
LIMIT_V1 = Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")


def usable_memory() -> int:
    """Bytes: the container's limit, or what the machine has where that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _limit()
    return machine if limit is None else min(machine, limit)


def _limit() -> int | None:
    """The cgroup's memory limit in bytes, or None without one."""
    try:
        return int((LIMIT if LIMIT.exists() else LIMIT_V1).read_text())
    except (OSError, ValueError):  # `max` is no number
        return None
