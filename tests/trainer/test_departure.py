"""When a worker that is told to end does so, and what it does before."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from nerf_trainer import departure as module
from nerf_trainer.departure import Departure

SECONDS = 5.0


class Worker:
    """A departure that ends nothing, and notes what was done in which order."""

    def __init__(self) -> None:
        self.acts: list[str] = []
        self.ended = threading.Event()
        self.departure = Departure(self._end)
        self.departure.prepare(self.does("announce"), self.does("save"))
        self._thread = threading.Thread(target=self.departure.depart, daemon=True)

    def does(self, act: str) -> Callable[[], None]:
        return lambda: self.acts.append(act)

    def tell_to_end(self) -> None:
        self._thread.start()

    def _end(self) -> None:
        self.acts.append("end")
        self.ended.set()


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little of it: what is waited for here never comes."""
    monkeypatch.setattr(module, "AGREE_SECONDS", 0.2)
    monkeypatch.setattr(module, "STATE_SECONDS", 0.2)


def test_without_a_group_it_tells_saves_and_ends(worker: Worker) -> None:
    worker.tell_to_end()
    assert worker.ended.wait(SECONDS)
    assert worker.acts == ["announce", "save", "end"]


def test_before_there_is_anything_to_save_it_just_ends() -> None:
    ended = threading.Event()
    Departure(ended.set).depart()
    assert ended.is_set()


def test_in_a_group_it_waits_until_all_leave(worker: Worker) -> None:
    announced = threading.Event()
    worker.departure.prepare(announced.set, worker.does("save"))
    with worker.departure.in_group():
        worker.tell_to_end()
        assert announced.wait(SECONDS)
        assert worker.acts == []
    assert worker.ended.wait(SECONDS)


def test_an_evaluation_that_takes_long_does_not_keep_the_state_from_being_saved(
    worker: Worker, patience: None
) -> None:
    with worker.departure.in_group():
        worker.tell_to_end()
        assert worker.ended.wait(SECONDS)
    assert worker.acts == ["announce", "save", "end"]


def test_a_step_that_never_ends_is_not_saved(worker: Worker, patience: None) -> None:
    with worker.departure.in_group(), worker.departure.state_changes():
        worker.tell_to_end()
        assert worker.ended.wait(SECONDS)
    assert worker.acts == ["announce", "end"]


def test_a_coordinator_that_does_not_answer_is_not_waited_for(
    worker: Worker, patience: None
) -> None:
    never = threading.Event()
    worker.departure.prepare(lambda: never.wait() and None, worker.does("save"))
    worker.tell_to_end()
    assert worker.ended.wait(SECONDS)
    assert worker.acts == ["save", "end"]


def test_what_fails_keeps_nobody_from_leaving(worker: Worker) -> None:
    def fail() -> None:
        raise OSError("no space left")

    worker.departure.prepare(fail, fail)
    worker.tell_to_end()
    assert worker.ended.wait(SECONDS)


def test_a_training_that_ends_first_keeps_its_own_reason(worker: Worker) -> None:
    worker.departure.forgo()
    saved = threading.Event()
    worker.departure.prepare(lambda: None, saved.set)
    worker.tell_to_end()
    assert saved.wait(SECONDS)
    assert not worker.ended.wait(0.1)


BLOCKED = """
import os, sys, threading
from nerf_trainer.departure import Departure
departure = Departure(lambda: os._exit(75))
never = threading.Event()
departure.prepare(never.wait, lambda: None)
departure.listen()
with departure.in_group(), departure.state_changes():
    print("ready", flush=True)
    os.read(os.pipe()[0], 1)
"""


def test_a_second_signal_ends_a_blocked_process_at_once() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", BLOCKED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(module.AGREE_SECONDS) == 75
