"""How many cores a viewer finds that nobody else wants, and how it then draws."""

import os
from pathlib import Path

import pytest

from nerf_trainer.viewer.cores import PERIOD_SECONDS, SpareCores, idle_seconds
from nerf_trainer.viewer.pace import BUSY_SECONDS, BUSY_SHARE, FREE_SECONDS, LONGEST_REST, Load


class Machine:
    """Counters that go up as they are told to."""

    def __init__(self) -> None:
        self.now, self.own = 10.0, 3.0
        self.idle: float | None = 100.0
        self.spare = SpareCores(lambda: self.idle, lambda: self.own, lambda: self.now)

    def pass_by(self, seconds: float, idle: float, own: float) -> float:
        self.now += seconds
        self.own += own
        if self.idle is not None:
            self.idle += idle
        return self.spare()


def test_what_is_idle_or_its_own_is_spare() -> None:
    machine = Machine()
    assert machine.spare() == 0
    assert machine.pass_by(2, idle=1.0, own=0.5) == pytest.approx(0.75)
    assert machine.pass_by(2, idle=0, own=0.1) == pytest.approx(0.05)


def test_less_than_a_period_changes_nothing() -> None:
    machine = Machine()
    assert machine.pass_by(PERIOD_SECONDS / 4, idle=PERIOD_SECONDS, own=0) == 0
    assert machine.pass_by(PERIOD_SECONDS, idle=PERIOD_SECONDS / 4, own=0) == pytest.approx(1)


def test_a_pause_is_not_measured() -> None:
    machine = Machine()
    assert machine.pass_by(3600, idle=7200, own=0) == 0
    assert machine.pass_by(1, idle=0.5, own=0) == pytest.approx(0.5)


def test_a_kernel_that_does_not_tell_leaves_nothing() -> None:
    machine = Machine()
    machine.pass_by(1, idle=1, own=0)
    machine.idle = None
    assert machine.pass_by(1, idle=0, own=1) == 0


def test_idle_seconds_are_those_of_the_cores_it_may_use(tmp_path: Path) -> None:
    [first, *_] = sorted(os.sched_getaffinity(0))
    stat = tmp_path / "stat"
    stat.write_text(
        "cpu  9 9 9 99999 99999 9 9 9 9 9\n"
        f"cpu{first} 1 2 3 400 100 6 7 8 9 10\n"
        "cpu4095 1 2 3 77777 5 6 7 8 9 10\n"
        "intr 5\n"
    )
    assert idle_seconds(stat) == 500 / os.sysconf("SC_CLK_TCK")
    assert idle_seconds(tmp_path / "absent") is None


def test_this_machine_tells() -> None:
    before = idle_seconds()
    assert before is not None
    assert before > 0


def test_who_has_no_core_to_spare_draws_little_and_rests() -> None:
    busy = Load(spare=0.4)
    assert busy.unit_seconds == BUSY_SECONDS
    assert busy.rest(0.01, 0.03) == pytest.approx(0.01 / BUSY_SHARE - 0.03)
    assert busy.rest(1, 1) == LONGEST_REST
    free = Load(spare=1.1)
    assert free.unit_seconds == FREE_SECONDS
    assert free.rest(1, 1) == 0
