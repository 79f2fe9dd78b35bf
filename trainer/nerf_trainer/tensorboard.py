"""A log for TensorBoard: curves and pictures of the training.

tensorboardX knows the format. Its `SummaryWriter` is not used: on a full volume its thread dies,
and the training then waits for ever for a place in its queue.
"""

import logging
import queue
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

#: So many entries may wait to be written; more are dropped, as where a volume hangs.
MAX_WAITING = 1000
FLUSH_SECONDS = 10.0
#: The end of a training waits for the log no longer than this.
CLOSE_SECONDS = 10.0

Entry = dict[str, Any]  # fields of tensorboardX's Event message


class EventLog:
    """Takes entries without waiting; a thread writes them to a new file in `folder`.

    An error there is told once and ends the log, never the training. The step of the first entry
    hides what an earlier run logged from that step on.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._entries: queue.Queue[Entry | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """One point each of curves, by name."""
        self._put(step, [{"tag": name, "simple_value": value} for name, value in values.items()])

    def picture(self, step: int, name: str, png: bytes, shape: tuple[int, ...]) -> None:
        """A picture (H, W, 3) as a PNG file."""
        height, width, channels = shape
        image = {"height": height, "width": width, "colorspace": channels}
        self._put(step, [{"tag": name, "image": image | {"encoded_image_string": png}}])

    def close(self) -> None:
        """Write what waits, unless that takes too long."""
        with suppress(queue.Full):
            self._entries.put_nowait(None)
        self._thread.join(CLOSE_SECONDS)

    def _put(self, step: int, values: list[Entry]) -> None:
        entry = {"step": step, "wall_time": time.time(), "summary": {"value": values}}
        with suppress(queue.Full):
            self._entries.put_nowait(entry)

    def _run(self) -> None:
        try:
            self._write_all()
        except Exception as error:
            log.warning("the TensorBoard log in %s ends here: %s", self._folder, error)

    def _write_all(self) -> None:
        file = None
        for entry in iter(self._entries.get, None):
            file = file or _EventFile(self._folder, entry["step"])
            file.write(entry)
        if file:
            file.close()


class _EventFile:
    """A new file of events in `folder`; those of older files from `step` on count no more."""

    def __init__(self, folder: Path, step: int) -> None:
        # Half a second that is better spent here than before the first step.
        from tensorboardX import RecordWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        folder.mkdir(parents=True, exist_ok=True)
        now = time.time()
        # TensorBoard reads files in the order of their names.
        name = f"events.out.tfevents.{now:.6f}.{socket.gethostname()}"
        self._event = Event
        self._records = RecordWriter(str(folder / name))
        self._flush_at = 0.0
        self.write({"wall_time": now, "file_version": "brain.Event:2"})
        self.write({"wall_time": now, "step": step, "session_log": {"status": SessionLog.START}})

    def write(self, entry: Entry) -> None:
        """Append an entry; now and then, force all of them to the disk."""
        self._records.write(self._event(**entry).SerializeToString())
        if time.monotonic() >= self._flush_at:
            self._records.flush()
            self._flush_at = time.monotonic() + FLUSH_SECONDS

    def close(self) -> None:
        """Force all entries to the disk."""
        self._records.flush()
        self._records.close()
