"""`kubectl nerf` as a user runs it, but from the sources."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from e2e_support.kube import ROOT, Job
from nerf_contract import names


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


def metrics_of(job: Job, folder: Path) -> dict[str, Any]:
    """metrics.json of a finished job, whose results are copied to `folder` by `results`."""
    place = ("-n", job.namespace.name, "-o", str(folder / job.name))
    code, text = nerf("results", job.name, *place, log=folder / "log")
    assert code == 0, text
    return dict(json.loads((folder / job.name / names.METRICS_FILE).read_text()))
