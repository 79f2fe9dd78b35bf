"""How a process that has called `skip_clean_up_at_end` ends."""

import subprocess
import sys

import pytest

pytest.importorskip("torch")

pytestmark = pytest.mark.torch

PROGRAM = """
import atexit, os, signal, sys
from torch.distributed.elastic.multiprocessing.api import SignalException
from nerf_trainer.agent_end import skip_clean_up_at_end

class Cycle:
    def __init__(self):
        self.me = self
    def __del__(self):
        print("cleaned up", flush=True)

def ended(signum, frame):
    raise SignalException("told to end", signum)

kept = Cycle()
signal.signal(signal.SIGTERM, ended)
atexit.register(print, "goodbye", flush=True)
skip_clean_up_at_end()
"""
AGAIN = "atexit.register(os.kill, os.getpid(), signal.SIGTERM)\n"
TOLD = "os.kill(os.getpid(), signal.SIGTERM)"
WHILE_IT_FAILS = f"try:\n  1 / 0\nfinally:\n  {TOLD}"


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        ("", 0, []),
        ("sys.exit(3)", 3, []),
        ("1 / 0", 1, ["Traceback", "ZeroDivisionError"]),
        (TOLD, 1, ["told to end"]),
        (AGAIN + TOLD, 1, ["told to end"]),
        (WHILE_IT_FAILS, 1, ["Traceback", "ZeroDivisionError", "told to end"]),
    ],
)
def test_it_ends_without_clean_up_and_with_its_exit_code(
    end: str, code: int, said: list[str]
) -> None:
    argv = [sys.executable, "-c", PROGRAM + end]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (code, "goodbye\n"), done.stderr
    assert all(words in done.stderr for words in said)
    assert ("Traceback" in done.stderr) == ("Traceback" in said), done.stderr
