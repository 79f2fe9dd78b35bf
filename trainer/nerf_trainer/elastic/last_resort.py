"""The end of a process that nothing else would bring on."""

import logging
import os
import threading
from typing import NoReturn

log = logging.getLogger(__name__)

LOG_SECONDS = 2.0


def end_process(why: str) -> NoReturn:
    """End it from any thread, without clean-up, for its agent to start another."""
    # Whoever hangs may hold what a log needs.
    at_last = threading.Timer(LOG_SECONDS, os._exit, (1,))
    at_last.daemon = True
    at_last.start()
    log.error("%s: this process ends, and starts anew", why)
    logging.shutdown()
    os._exit(1)
