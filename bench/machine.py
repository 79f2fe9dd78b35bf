"""The machine that a benchmark ran on, and whether it had it for itself."""

import os
import platform
import resource
from pathlib import Path


def machine() -> str:
    """The processor and how many of its cores there are."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


def cpu_seconds_of_others() -> float:
    """What the processors have done so far for all but this process and its children that have
    ended; only differences mean something. proc_stat(5): guests' time is part of the users'.
    """
    first = Path("/proc/stat").read_text().partition("\n")[0]
    user, nice, system, _idle, _iowait, *more = map(int, first.split()[1:9])
    busy = user + nice + system + sum(more)
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    own = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return busy / os.sysconf("SC_CLK_TCK") - own
