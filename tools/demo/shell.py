"""Running commands, and telling the user about it."""

import os
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START = time.monotonic()


def say(text: str) -> None:
    """One line with the minutes since the start."""
    seconds = int(time.monotonic() - START)
    print(f"[{seconds // 60:2d}:{seconds % 60:02d}] {text}", flush=True)


def step(title: str, argv: list[str], stdin: str | None = None) -> None:
    """Announce, run with its output shown, and tell how long it took.

    Raises subprocess.CalledProcessError.
    """
    say(f"== {title}")
    begin = time.monotonic()
    subprocess.run(argv, cwd=ROOT, check=True, input=stdin, text=True)
    say(f"== {title}: done in {time.monotonic() - begin:.0f} s")


def use_local_cluster() -> None:
    """Make kubectl talk to the cluster of tools/localkube."""
    command = [str(ROOT / "tools/localkube/localkube"), "kubeconfig"]
    path = subprocess.run(command, check=True, text=True, capture_output=True).stdout.strip()
    os.environ["KUBECONFIG"] = path


def kubectl(*args: str, quiet: bool = False) -> str:
    """Output of kubectl, or "" where it failed: callers that must know look at the cluster."""
    done = subprocess.run(["kubectl", *args], text=True, capture_output=True, check=False)
    if done.returncode and not quiet:
        say(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout if done.returncode == 0 else ""
