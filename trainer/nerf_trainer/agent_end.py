"""How torchrun's agent ends: without Python's own clean-up.

That looks through all that torch has imported, for more than a second of a core, just when the
other pods on the node go on with a member less.
"""

import atexit
import gc
import os
import sys
from types import TracebackType

from torch.distributed.elastic.multiprocessing.api import SignalException

#: As Python's, after an exception that nobody has caught.
UNCAUGHT = 1


def end_quickly() -> None:
    """Make the end of this process a quick one, with the same exit code."""
    sys.excepthook = _end
    # For an end without an exception, whose exit code is not known in time to end at once.
    atexit.register(gc.freeze)


def _end(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Say why, and end. A signal that was sent needs no traceback."""
    if isinstance(error, SignalException):
        print(error, file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(UNCAUGHT)
