"""Draws the pictures of all pages, in one thread that gives way to everything else.

It works in units of a fraction of a second: a whole coarse picture, or a slab of a better one.
After each it looks anew at what is most urgent, so a camera that moves interrupts the picture that
is being drawn.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from nerf_trainer.viewer.camera import Camera
from nerf_trainer.viewer.canvas import Canvas, Pixels, blank, sharpen
from nerf_trainer.viewer.cores import SpareCores
from nerf_trainer.viewer.pace import (
    FEWEST_RAYS,
    FINE_EDGE,
    SHARP_EDGE,
    SMALLEST_SLAB,
    Load,
    Pace,
    fit,
    shape,
)
from nerf_trainer.viewer.source import Snapshot

log = logging.getLogger(__name__)

Show = Callable[[Pixels, bool], None]  # (picture (H, W, 3), whether it is sharp) -> None

#: A camera that has not moved for so many seconds is still.
STILL_SECONDS = 0.2
#: The longest pause, in seconds, before a page whose picture failed again and again gets its turn.
LONGEST_PAUSE = 60.0
#: Seconds between two looks at a sharp picture that is being drawn.
SHOW_SECONDS = 0.5
#: Rays per second of previews and models until they are measured: few.
FIRST_GUESSES = (20_000.0, 2_000.0)


@dataclass
class Easel:
    """The picture of one page.

    longest: edge of its window in pixels. moved: when its camera did last. coarse: whether the
    picture where it is now has been drawn; canvas: a better one. shown: when that was. failures: in
    a row. until: when it gets its turn again.
    """

    show: Show
    camera: Camera
    longest: int
    moved: float
    coarse: bool = False
    canvas: Canvas | None = None
    shown: float = 0.0
    failures: int = 0
    until: float = 0.0

    def move(self, camera: Camera, longest: int, now: float) -> None:
        """Its camera, or the size of its window, is another one."""
        self.camera, self.longest, self.moved = camera, longest, now
        self.coarse, self.canvas = False, None

    def next_canvas(self, snapshot: Snapshot) -> Canvas:
        """What to draw at once the camera is still: a preview, then a sharp picture over it."""
        canvas, aspect = self.canvas, self.camera.aspect
        new = canvas is not None and canvas.snapshot is not snapshot
        if canvas is None or (new and not canvas.sharp):
            return blank(snapshot, self.camera, fit(aspect, min(self.longest, FINE_EDGE)))
        if new or canvas.finished:
            return sharpen(snapshot, canvas, fit(aspect, min(self.longest, SHARP_EDGE)))
        return canvas

    def waits(self, snapshot: Snapshot, now: float) -> float | None:
        """Seconds until there is something to draw; None where nothing is left."""
        if now < self.until:
            return self.until - now
        if not self.coarse:
            return 0.0
        canvas = self.canvas
        if canvas and canvas.finished and canvas.sharp and canvas.snapshot is snapshot:
            return None
        return max(0.0, self.moved + STILL_SECONDS - now)

    def failed(self, now: float) -> None:
        """A picture could not be drawn or shown: the other pages come first, for a while."""
        self.failures += 1
        self.until = now + min(LONGEST_PAUSE, 2.0 ** min(self.failures, 10))


class Artist:
    """Draws while pages are open; nothing is done without them.

    clock: seconds, as time.monotonic. spare: cores that others leave.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        spare: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock
        self._spare = spare or SpareCores()
        self._changed = threading.Condition()
        self._easels: dict[int, Easel] = {}
        self._snapshot: Snapshot | None = None
        self._preview_pace, self._model_pace = map(Pace, FIRST_GUESSES)
        self._load = Load()
        self._last = -1
        self._news = False

    def start(self) -> None:
        """Draw in a thread of its own, until the process ends."""
        threading.Thread(target=self._run, name="artist", daemon=True).start()

    @property
    def busy(self) -> bool:
        """Whether a page is open."""
        return bool(self._easels)

    def present(self, snapshot: Snapshot) -> None:
        """There is a newer scene. Sharp pictures of the one before stay until they are redrawn."""
        with self._changed:
            self._snapshot = snapshot
            for easel in self._easels.values():
                easel.coarse = easel.canvas is not None
            self._tell()

    def look(self, page: int, camera: Camera, longest: int, show: Show) -> None:
        """A page is open, and sees the scene from here."""
        with self._changed:
            now = self._clock()
            if page in self._easels:
                self._easels[page].move(camera, longest, now)
            else:
                self._easels[page] = Easel(show, camera, longest, now)
            self._tell()

    def leave(self, page: int) -> None:
        """A page is closed."""
        with self._changed:
            self._easels.pop(page, None)

    def _tell(self) -> None:
        self._news = True
        self._changed.notify()

    def step(self) -> float | None:
        """Do the most urgent unit of work: first where cameras move, in turn where several wait.

        Returns seconds until there is more; None where a page must do something first.
        """
        with self._changed:
            snapshot, now = self._snapshot, self._clock()
            if snapshot is None:
                return None
            waits = {page: easel.waits(snapshot, now) for page, easel in self._easels.items()}
            due = [page for page, wait in waits.items() if wait == 0]
            if not due:
                return min((wait for wait in waits.values() if wait is not None), default=None)
            page = min(due, key=lambda p: (self._easels[p].coarse, p <= self._last, p))
            self._last, easel = page, self._easels[page]
        draw = self._draw_slab if easel.coarse else self._draw_coarse
        try:
            draw(easel, snapshot)
            easel.failures = 0
        except Exception:  # One picture is lost, not the viewer.
            log.exception("a picture could not be drawn")
            easel.failed(self._clock())
        return 0.0

    def _run(self) -> None:
        give_way()
        while True:
            began, used = time.monotonic(), time.thread_time()
            wait = self.step()
            self._load.spare = self._spare()
            time.sleep(self._load.rest(time.thread_time() - used, time.monotonic() - began))
            if wait != 0:
                self._rest(wait)

    def _rest(self, seconds: float | None) -> None:
        """Until then, or until a page or a snapshot is new."""
        with self._changed:
            if not self._news:
                self._changed.wait(seconds)
            self._news = False

    def _draw_coarse(self, easel: Easel, snapshot: Snapshot) -> None:
        """All of a picture that is small enough to come at once."""
        camera, rays = easel.camera, self._preview_pace.rays(self._load, FEWEST_RAYS)
        size = shape(camera.aspect, rays, min(easel.longest, FINE_EDGE))
        canvas = blank(snapshot, camera, size)
        self._draw(canvas, self._preview_pace, len(canvas.order))
        easel.show(canvas.picture, False)
        with self._changed:
            easel.coarse = easel.camera is camera

    def _draw_slab(self, easel: Easel, snapshot: Snapshot) -> None:
        """A part of a better picture."""
        with self._changed:
            canvas = easel.canvas = easel.next_canvas(snapshot)
        pace = self._model_pace if canvas.sharp else self._preview_pace
        self._draw(canvas, pace, pace.rays(self._load, SMALLEST_SLAB))
        with self._changed:
            moved = easel.canvas is not canvas
        late = canvas.sharp and self._clock() - easel.shown > SHOW_SECONDS
        if not moved and (canvas.finished or late):
            easel.shown = self._clock()
            easel.show(canvas.picture, canvas.sharp)

    def _draw(self, canvas: Canvas, pace: Pace, rays: int) -> None:
        """Draw, and learn how fast that goes."""
        used = time.thread_time()
        drawn = canvas.draw(rays)
        pace.measured(drawn, time.thread_time() - used)


def give_way() -> None:
    """Let everything else on the machine, and the threads that serve the page, come first.

    Not by niceness: a nice thread that runs is let finish its turn of some milliseconds, for which
    a training waits that comes back from a collective.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # Of the calling thread alone.
    except OSError as error:
        log.warning("pictures are drawn at the training's own priority: %s", error)
