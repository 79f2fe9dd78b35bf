"""What the kernel tells of this process."""

import os
import resource
import time
from pathlib import Path


def resident_bytes() -> float:
    """Resident memory, in bytes; 0 where /proc does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


def peak_resident_bytes() -> int:
    """The most memory that was ever resident, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def age_seconds() -> float:
    """Seconds since the process started, before Python did; a hundredth of a second is its unit.

    proc_pid_stat(5): field 22, in ticks since boot. The name before it may hold any character.
    """
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    started = int(fields[22 - 3]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started
