"""Age and memory of a process."""

import subprocess
import sys
import time

from nerf_trainer.process import peak_resident_bytes, resident_bytes

#: Of the kernel's clock ticks, and of reading two clocks one after the other.
TOLERANCE = 0.03
SCRIPT = "from nerf_trainer.process import age_seconds; print(age_seconds())"


def test_the_age_counts_from_the_start_of_the_process() -> None:
    path = ":".join(sys.path)
    before = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env={"PYTHONPATH": path}, capture_output=True, check=True
    )
    elapsed = time.monotonic() - before
    assert 0.01 < float(done.stdout) < elapsed + TOLERANCE


def test_the_peak_includes_what_was_freed() -> None:
    block = bytearray(64 << 20)
    held = resident_bytes()
    del block
    assert peak_resident_bytes() > held - (4 << 20)
    assert held > 64 << 20
