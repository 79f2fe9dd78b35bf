"""`kubectl nerf` as a user runs it, but from the sources."""

import os
import subprocess
import sys
from pathlib import Path

from e2e_support.kube import ROOT


def start(*args: str, log: Path) -> subprocess.Popen[bytes]:
    """`kubectl nerf` with these arguments, its output going to a file."""
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("cli", "contract"))
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "nerf_cli.app", *args],
            env=os.environ | {"PYTHONPATH": paths},
            stdout=out,
            stderr=subprocess.STDOUT,
        )


def nerf(*args: str, log: Path) -> tuple[int, str]:
    """Exit code and output of a whole run."""
    code = start(*args, log=log).wait(timeout=180)
    return code, log.read_text()
