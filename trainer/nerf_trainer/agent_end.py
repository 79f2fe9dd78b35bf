"""How torchrun's agent ends: without most of Python's clean-up.

That looks through all that torch has imported, for more than a second of a core, just when the
other pods on the node go on with a member less, or when the outputs of the job are to be made.
"""

import atexit
import gc
import signal
import sys
from types import TracebackType

from torch.distributed.elastic.multiprocessing.api import SignalException

from nerf_trainer.ending import leave

#: As Python's, after an exception that nobody has caught.
UNCAUGHT = 1
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def skip_clean_up_at_end() -> None:
    """Make the end of this process a short one, whenever it comes. Its exit code stays."""
    sys.excepthook = _end
    # Which exit code a regular end has is not known in time: cycles, at least, are not looked for.
    atexit.register(gc.freeze)


def _end(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Say why, and end. A signal alone needs no traceback."""
    for number in SIGNALS:  # torchrun makes an exception of each.
        signal.signal(number, signal.SIG_IGN)
    try:
        if isinstance(error, SignalException) and error.__context__ is None:
            print(error, file=sys.stderr)
        else:
            sys.__excepthook__(kind, error, traceback)
        atexit._run_exitfuncs()
    finally:
        leave(UNCAUGHT)
