"""A made-up hour in a real Prometheus; Debian's programs, which the set-up puts into the cache."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from observe import made_up
from observe.client import Client, Span

BIN = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nerf-operator" / "bin"


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    """promtool and prometheus are found."""
    assert (BIN / "promtool").exists(), "run tools/setup/setup.sh"
    os.environ["PATH"] = f"{BIN}:{os.environ['PATH']}"


@pytest.fixture(scope="session")
def hour(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Span]]:
    """Who answers for it, and when it was."""
    with made_up.hour(tmp_path_factory.mktemp("prometheus")) as found:
        yield found
