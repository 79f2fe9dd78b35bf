"""Where the time of a step goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

PHASES = ("data", "forward", "backward", "all_reduce", "optimizer", "occupancy")


class PhaseClock:
    """Seconds by phase since the last `lap`.

    A GPU works while the CPU goes on: there the time is taken by events, and read in `lap`, which
    waits for them.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._spans: list[tuple[str, object, object]] = []

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time what is done within."""
        began = self._now()
        yield
        self._spans.append((name, began, self._now()))

    def lap(self) -> dict[str, float]:
        """Seconds of each phase that occurred; counting starts anew."""
        seconds: dict[str, float] = {}
        for name, began, ended in self._spans:
            seconds[name] = seconds.get(name, 0.0) + self._between(began, ended)
        self._spans.clear()
        return seconds

    def _now(self) -> object:
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _between(self, began: object, ended: object) -> float:
        if isinstance(began, torch.cuda.Event) and isinstance(ended, torch.cuda.Event):
            ended.synchronize()
            return began.elapsed_time(ended) / 1000
        return float(ended) - float(began)  # type: ignore[arg-type]
