"""The end of a process, without Python's clean-up."""

import logging
import os
import sys
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """End the process. Python's clean-up would destroy torch's process group.

    That can deadlock: see `nerf_trainer.elastic.collective.retire_group`. It takes long, too: it
    looks through all that torch has imported.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
