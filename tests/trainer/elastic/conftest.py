"""Makes the helpers beside the tests importable, and those of the benchmarks."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
sys.path.append(str(HERE.parents[2] / "bench"))
