"""Lets the tests import `operator_support`: this folder cannot be a package named `operator`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
