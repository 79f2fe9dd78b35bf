"""A cluster instance of the tests' own, beside whatever cluster runs."""

import os
from collections.abc import Iterator

import pytest

from localkube.config import Instance
from localkube.harness import Machine


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """An instance that is down before and after."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    machine = Machine(Instance("lk9"))
    machine.localkube("build", "--without-helm")
    machine.localkube("down")
    yield machine
    machine.localkube("down")
