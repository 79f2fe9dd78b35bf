"""How much memory this process and its children may use."""

from pathlib import Path

LIMIT = Path("/sys/fs/cgroup/memory.max")
LIMIT_V1 = Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")
MEMINFO = Path("/proc/meminfo")


def usable_memory() -> int:
    """Bytes: the container's limit; without one, half of what the machine has to spare."""
    limit = _limit()
    # Without a limit, v1 tells one that no machine reaches.
    if limit is not None and limit < _meminfo("MemTotal"):
        return limit
    return _meminfo("MemAvailable") // 2


def _meminfo(name: str) -> int:
    """Bytes that the kernel tells under this name."""
    lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
    return int(lines[name].split()[0]) * 1024


def _limit() -> int | None:
    """The cgroup's memory limit in bytes, or None without one."""
    try:
        return int((LIMIT if LIMIT.exists() else LIMIT_V1).read_text())
    except (OSError, ValueError):  # `max` is no number
        return None
