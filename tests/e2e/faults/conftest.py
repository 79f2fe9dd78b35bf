"""Jobs for the fault matrix; see `faults.rows`."""

import os
import random
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from e2e_support.kube import Namespace

sys.path.insert(0, str(Path(__file__).parent))

from faults_support import Make, Record, Subject


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """What chance decides in a test: the same for each pass with one SEED."""
    return random.Random(f"{os.environ.get('SEED', '0')} {request.node.name}")


@pytest.fixture
def subject(
    shared: Namespace,
    request: pytest.FixtureRequest,
    record_property: Record,
    dice: random.Random,
) -> Make:
    """Makes the job of a test; keyword arguments are sections of its spec."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_"))[:40].strip("-")

    def make(place: Namespace = shared, **sections: Any) -> Subject:
        return Subject(place, name, record_property, dice, **sections)

    return make
