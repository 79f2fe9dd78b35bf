"""Logging: JSON, one object a line, for machines; plain lines and a progress bar on a terminal."""

import json
import logging
import os
import sys
import time
from typing import TextIO

from nerf_contract.progress import Progress

#: Attributes that a call may add by `extra=` and that the JSON shows.
EXTRA = (
    *("step", "loss", "psnr", "ssim", "rays_per_second", "eta_seconds"),
    *("generation", "world_size"),
)
BAR_WIDTH = 24


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339, UTC), level, message, and what `EXTRA` names."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **{key: getattr(record, key) for key in EXTRA if hasattr(record, key)},
        }
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def set_up(stream: TextIO = sys.stderr) -> None:
    """Log to `stream`: plain where it is a terminal, else JSON. NERF_LOG_LEVEL sets the level."""
    handler = logging.StreamHandler(stream)
    plain = logging.Formatter("%(levelname).1s %(message)s")
    handler.setFormatter(plain if stream.isatty() else JsonFormatter())
    level = os.environ.get("NERF_LOG_LEVEL", "INFO").upper()
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("nerf_trainer").setLevel(level)


class Reporter:
    """Tells the progress now and then: a bar on a terminal, else a log line."""

    def __init__(self, seconds: float = 5.0, stream: TextIO = sys.stderr) -> None:
        self._log = logging.getLogger("nerf_trainer.progress")
        self._stream = stream
        self._bar = stream.isatty()
        self._pause = 0.2 if self._bar else seconds
        self._next = 0.0

    def tell(self, progress: Progress) -> None:
        """Show the progress, unless it was shown a moment ago."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._pause
        if self._bar:
            self._stream.write(f"\r{bar(progress)}\x1b[K")
            self._stream.flush()
        else:
            fields = {key: getattr(progress, key) for key in EXTRA}
            self._log.info(summary(progress), extra=fields)

    def end_line(self) -> None:
        """Leave the bar's line, so that other output starts on one of its own."""
        if self._bar:
            self._stream.write("\n")


def bar(progress: Progress) -> str:
    """The progress as a bar, such as `[####....] 50 % step 500/1000 ...`."""
    share = progress.step / max(progress.total_steps, 1)
    full = int(share * BAR_WIDTH)
    return f"[{'#' * full}{'.' * (BAR_WIDTH - full)}] {share:4.0%} {summary(progress)}"


def summary(progress: Progress) -> str:
    """The progress in one line."""
    parts = [f"step {progress.step}/{progress.total_steps}"]
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.5f}")
    if progress.rays_per_second is not None:
        parts.append(f"{progress.rays_per_second:,.0f} rays/s")
    if progress.psnr is not None:
        parts.append(f"held-out {progress.psnr:.2f} dB")
    if progress.ssim is not None:
        parts.append(f"SSIM {progress.ssim:.3f}")
    if progress.eta_seconds is not None:
        parts.append(f"{progress.eta_seconds:.0f} s left")
    return ", ".join(parts)
