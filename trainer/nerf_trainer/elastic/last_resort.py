"""The end of a process that nothing else would bring on."""

import logging
import os
from typing import NoReturn

log = logging.getLogger(__name__)


def end_process(why: str) -> NoReturn:
    """End it from any thread, without clean-up, for its agent to start another."""
    log.error("%s: this process ends, and starts anew", why)
    logging.shutdown()
    os._exit(1)
