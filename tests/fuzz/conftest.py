"""Lets the tests of this folder import what lies beside them, and `operator_support`."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "operator")]
