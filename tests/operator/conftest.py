"""Lets the tests import `operator_support`: this folder cannot be a package named `operator`."""

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

# No test fails because the machine is busy; speed is measured by `bench/`.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
