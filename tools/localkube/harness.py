"""Runs the command line on one instance, for tests."""

import os
import subprocess
import time
from pathlib import Path

from localkube.api import Api
from localkube.config import INSTANCE_ENV, Instance

COMMAND = Path(__file__).parent / "localkube"


class Machine:
    """Runs the command line on one instance."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._environment = {**os.environ, INSTANCE_ENV: instance.name}

    def localkube(self, *arguments: str | Path) -> str:
        """Run one verb to its end; a failure shows its output."""
        done = self.start(*arguments)
        output, _ = done.communicate(timeout=180)
        assert done.returncode == 0, output
        return output

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start one verb and do not wait."""
        return subprocess.Popen(
            [COMMAND, *arguments],
            env=self._environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def up(self) -> float:
        """Bring up two nodes with a GPU each; returns the seconds it took."""
        started = time.monotonic()
        self.localkube("up", "--nodes", "2", "--gpus", "1")
        return time.monotonic() - started

    @property
    def api(self) -> Api:
        """The API server."""
        return Api(self.instance)
