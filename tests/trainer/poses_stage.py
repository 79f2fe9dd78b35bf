"""The download and poses stages as processes of their own, and how they end."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from nerf_contract.progress import TerminationMessage

#: Seconds that a stage may take.
LIMIT = 300
#: Ends the process where it connects, to whomever, and prints its peak of memory in the end.
#: (VmHWM is its own; ru_maxrss may be that of the process which started it.)
LAUNCHER = """
import atexit, os, pathlib, re, runpy, sys
CONNECTS = ("socket.connect", "socket.sendto", "socket.sendmsg")
sys.addaudithook(lambda event, args: os._exit(99) if event in CONNECTS else None)
status = pathlib.Path("/proc/self/status")
atexit.register(lambda: print("peak", re.search(r"VmHWM:\\s*(\\d+)", status.read_text())[1]))
runpy.run_module(sys.argv.pop(1), run_name="__main__")
"""


@dataclass(frozen=True)
class Ending:
    """code: of the process. word: what it leaves for the operator. log: what it printed.
    peak: the most memory that it had, in bytes."""

    code: int
    word: TerminationMessage
    log: str
    peak: int


def start(
    root: Path, config: dict[str, object], module: str = "nerf_trainer.prepare"
) -> "tuple[subprocess.Popen[str], Path]":
    """The stage of a module with datasets in `root`, and where it leaves its last word."""
    file, word = root / "config.json", root / "last-word"
    file.write_text(json.dumps(config))
    env = os.environ | {"NERF_DATASET_ROOT": str(root), "NERF_TERMINATION_LOG": str(word)}
    command = [sys.executable, "-c", LAUNCHER, module, "--config", str(file)]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, env=env, stdout=pipe, stderr=subprocess.STDOUT, text=True
    ), word


def ending(root: Path, config: dict[str, object], module: str = "nerf_trainer.prepare") -> Ending:
    """Let the stage of a module come to its end."""
    process, word = start(root, config, module)
    log, _ = process.communicate(timeout=LIMIT)
    assert word.exists(), f"ended by {process.returncode} without a last word:\n{log}"
    told = TerminationMessage.model_validate_json(word.read_text())
    lines, _, peak = log.rpartition("peak ")
    return Ending(process.returncode, told, lines, int(peak) * 1024)
