"""Follows the training: hands new checkpoints on while somebody looks."""

import io
import logging
import threading
import time
from pathlib import Path

from PIL import Image

from nerf_contract.training import TrainerConfig
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.viewer.artist import Artist, give_way
from nerf_trainer.viewer.camera import Camera
from nerf_trainer.viewer.canvas import blank
from nerf_trainer.viewer.frusta import Frusta, from_outside, read_frusta
from nerf_trainer.viewer.pace import fit
from nerf_trainer.viewer.page import Page
from nerf_trainer.viewer.source import Snapshot, Source

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0
#: Reading a checkpoint may take this part of the time that a page is open.
MOST_OF_TIME = 0.04
#: The picture that is there before the page can draw: wider than any window, which cuts its sides.
STILL_EDGE, STILL_ASPECT = 256, 2.4


class Follower:
    """Looks for checkpoints every few seconds. Without a page only the first one is read.

    still: what a page shows until it can draw, as JPEG; None before the first checkpoint.
    """

    def __init__(self, config: TrainerConfig, folder: Path, artist: Artist, page: Page) -> None:
        self._config = config
        self._folder = folder
        self._source = Source(config, folder)
        self._artist = artist
        self._page = page
        self._frusta: Frusta | None = None
        self._wake = threading.Event()
        self.still: bytes | None = None

    def start(self) -> None:
        """Follow in a thread of its own, until the process ends."""
        threading.Thread(target=self._run, name="follower", daemon=True).start()

    def find_cameras(self) -> None:
        """Show the training cameras once they can be read: a training may not have left them yet.

        It has before its first checkpoint.
        """
        if self._frusta is None:
            self._frusta = read_frusta(self._config, self._folder)
            if self._frusta:
                self._page.show_cameras(self._frusta)

    def expect(self) -> None:
        """A page is about to open: what it shows should be new."""
        self._wake.set()

    def _run(self) -> None:
        give_way()
        while True:
            wanted = self._artist.busy or self._wake.is_set() or self.still is None
            self._wake.clear()
            began, rest = time.monotonic(), POLL_SECONDS
            if wanted and self._source.changed():
                self._follow()
                rest = max(rest, (time.monotonic() - began) / MOST_OF_TIME)
            self._wake.wait(rest)

    def _follow(self) -> None:
        try:
            snapshot = self._source.read()
            if snapshot:
                self.find_cameras()
                self.still = draw_still(snapshot, self._first())
                self._artist.present(snapshot)
                self._page.tell(summary(snapshot, self._config.training.steps))
        except TrainerFailure as failure:
            log.error("%s: %s", failure.reason, failure.message)
            self._page.tell(failure.message)
        except Exception:  # What is shown stays, and the next one may be better.
            log.exception("the newest checkpoint cannot be shown")

    def _first(self) -> Camera:
        """Where a page begins."""
        return (
            self._frusta.first() if self._frusta else from_outside(self._config.model.scene_bound)
        )


def draw_still(snapshot: Snapshot, camera: Camera) -> bytes:
    """A small, wide picture from where a camera is, as JPEG."""
    wide = Camera(camera.pose, camera.fov, STILL_ASPECT)
    canvas = blank(snapshot, wide, fit(STILL_ASPECT, STILL_EDGE))
    canvas.draw(len(canvas.order))
    packed = io.BytesIO()
    Image.fromarray(canvas.picture).save(packed, "JPEG", quality=80)
    return packed.getvalue()


def summary(snapshot: Snapshot, steps: int) -> str:
    """What is known of a checkpoint, in Markdown."""
    notes = snapshot.notes
    rows = [
        ("Step", f"{snapshot.step:,} of {steps:,}"),
        ("PSNR", "not evaluated yet" if notes.psnr is None else f"{notes.psnr:.2f} dB, held out"),
        ("World size", "unknown" if notes.world_size is None else str(notes.world_size)),
        ("Saved", f"{snapshot.time[11:19]} UTC"),
    ]
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)])
