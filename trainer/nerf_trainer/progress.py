"""Where the training stands, shared by the loop that writes it and the server that tells it."""

import threading
from typing import Any

from nerf_contract.progress import Progress


class Board:
    """A thread-safe holder of the newest `Progress`.

    ready: the dataset is loaded and the step is compiled.
    """

    def __init__(self, total_steps: int = 0) -> None:
        self._lock = threading.Lock()
        self._progress = Progress(
            phase="starting", step=0, total_steps=total_steps, world_size=0, generation=0
        )
        self.ready = threading.Event()

    def update(self, **fields: Any) -> None:
        """Change some fields of the progress."""
        with self._lock:
            self._progress = self._progress.model_copy(update=fields)

    @property
    def progress(self) -> Progress:
        """An immutable snapshot."""
        with self._lock:
            return self._progress
