"""The machine that a benchmark ran on."""

import os
import platform
from pathlib import Path


def machine() -> str:
    """The processor and how many of its cores there are."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"
