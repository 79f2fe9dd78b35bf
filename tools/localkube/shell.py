"""Running commands and waiting for conditions."""

import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from localkube.errors import ClusterError


def run(*argv: str | Path, stdin: str | None = None, check: bool = True) -> str:
    """Run a command and return its output; a failure carries the command and its words."""
    try:
        done = subprocess.run(
            [str(word) for word in argv], input=stdin, text=True, capture_output=True
        )
    except FileNotFoundError:
        raise ClusterError(
            f"{argv[0]} is not installed: see tools/localkube/apt-packages.txt"
        ) from None
    if check and done.returncode:
        words = (done.stderr or done.stdout).strip()
        raise ClusterError(f"`{' '.join(map(str, argv))}` failed ({done.returncode}): {words}")
    return done.stdout


def succeeds(*argv: str | Path) -> bool:
    """Whether the command exits with 0."""
    words = [str(word) for word in argv]
    return subprocess.run(words, capture_output=True).returncode == 0


def wait_for(condition: Callable[[], object], seconds: float, interval: float = 0.1) -> bool:
    """Poll until the condition is true; False when `seconds` have passed."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True


def accepts(path: Path) -> bool:
    """Whether a server listens on this Unix socket."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, for error messages."""
    if not path.exists():
        return f"({path} does not exist)"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def flags(**values: object) -> Sequence[str]:
    """`flags(bind_address="x")` is `["--bind-address=x"]`."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
