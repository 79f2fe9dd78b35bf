"""Every second has one cause; goodput and efficiency come from what was seen."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerf_contract import goodput
from nerf_contract import metrics as m
from nerf_contract.goodput import TRAINER_CAUSES
from nerf_trainer.accounts import Accounts
from nerf_trainer.ledger import Account, Ledger
from nerf_trainer.ledger_file import LedgerFile
from nerf_trainer.metrics import TrainerMetrics
from nerf_trainer.process import age_seconds
from nerf_trainer.progress import Board

RAYS = 1000


def trained(seconds: float, *sizes: int, wanted: int = 0) -> Ledger:
    """A step of so many seconds in a group of each size."""
    ledger, now = Ledger(0, wanted), 0.0
    for step, size in enumerate(sizes, 1):
        now += seconds
        ledger.stepped(step, size, RAYS * size, now)
    return ledger


def test_what_passes_between_two_charges_is_the_second_ones() -> None:
    ledger = Ledger(10)
    ledger.charge(goodput.START, 13)
    ledger.charge(goodput.COMPILE, 18)
    ledger.stepped(1, 1, RAYS, 20)
    ledger.charge(goodput.EVALUATION, 21)
    account = ledger.account()
    assert account.lost_seconds == {"start": 3, "compile": 5, "evaluation": 1}
    assert account.wall_seconds == 11
    assert account.goodput(1) == pytest.approx(2 / 11)


def test_a_step_that_is_done_again_counts_once() -> None:
    ledger = Ledger(
        0, account=Account({"training": 4}, 4 * RAYS, 4, step=4, speeds={1: RAYS}), gap=2
    )
    for now, step in enumerate((3, 4, 5), 1):
        ledger.stepped(step, 1, RAYS, now)
    account = ledger.account()
    assert account.lost_seconds == {"restart": 2, "replay": 2}
    assert (account.rays, account.step) == (5 * RAYS, 5)
    assert account.goodput(1) == pytest.approx(5 / 9)


def test_fewer_workers_than_wanted_cost_the_speed_that_is_missing() -> None:
    account = trained(1, 2, 2, 1, wanted=2).account()
    assert account.lost_seconds == {"fewer_workers": pytest.approx(0.5)}
    assert account.goodput(2) == pytest.approx(2.5 / 3)


def test_a_size_that_was_never_seen_is_taken_to_scale_perfectly() -> None:
    ledger = trained(1, 1, 1, wanted=4)
    assert ledger.account().undisturbed(4) == 4 * RAYS
    assert ledger.account().goodput(ledger.wanted) == pytest.approx(1 / 4)
    assert ledger.account().lost_seconds == {"fewer_workers": pytest.approx(1.5)}


def test_more_workers_than_wanted_are_what_is_wanted() -> None:
    ledger = trained(1, 2, 3, wanted=2)
    assert ledger.wanted == 3
    assert trained(1, 3, 2).wanted == 3


def test_efficiency_is_unknown_until_one_process_has_trained() -> None:
    assert trained(1, 2, 4).account().efficiency() == {}
    slower = Account(speeds={1: 100, 2: 150})
    assert slower.efficiency() == {1: 1, 2: 0.75}


def test_what_others_trained_meanwhile_is_not_lost() -> None:
    """Ten seconds away, in which the others went on for six steps of a second."""
    ledger = trained(1, 2, 2)
    ledger.charge(goodput.RENDEZVOUS, 12)
    ledger.joined(8)
    account = ledger.account()
    assert account.lost_seconds == {"rendezvous": pytest.approx(4)}
    assert (account.wall_seconds, account.rays) == (pytest.approx(12), 8 * 2 * RAYS)
    ledger.stepped(9, 2, 2 * RAYS, 13)
    assert goodput.REPLAY not in ledger.account().lost_seconds


def test_a_ledger_that_begins_late_claims_nothing_of_before() -> None:
    ledger = Ledger(0)
    ledger.charge(goodput.RENDEZVOUS, 5)
    ledger.joined(100)
    assert ledger.account() == Account({"rendezvous": 5}, step=100)
    assert ledger.account().goodput(1) is None


SPANS = st.one_of(
    st.tuples(st.sampled_from(sorted(TRAINER_CAUSES)), st.just(0), st.just(0)),
    st.tuples(st.just("step"), st.integers(1, 40), st.integers(1, 4)),
    st.tuples(st.just("joined"), st.integers(0, 60), st.just(0)),
)


@given(st.lists(st.tuples(st.floats(0, 1000), SPANS)), st.floats(0, 100), st.integers(0, 4))
def test_causes_add_up_to_the_wall_time(
    spans: list[tuple[float, tuple[str, int, int]]], gap: float, wanted: int
) -> None:
    ledger, now = Ledger(0, wanted, gap=gap), 0.0
    for seconds, (what, step, size) in spans:
        if what == "joined":
            ledger.joined(step)
            continue
        now += seconds
        if what == "step":
            ledger.stepped(step, size, RAYS, now)
        else:
            ledger.charge(what, now)
    account = ledger.account()
    assert account.wall_seconds == pytest.approx(gap + now, abs=1e-6)
    assert all(seconds >= 0 for seconds in account.seconds.values())
    ratio = account.goodput(ledger.wanted)
    assert ratio is None or 0 <= ratio <= 1


class Writer:
    """A writer's accounts, by a clock of the test's own that begins with the process."""

    def __init__(self, path: Path, run: str = "run") -> None:
        self.now = age_seconds()
        self.board, self.metrics = Board(), TrainerMetrics()
        file = LedgerFile(path / "ledger.json", run)
        self.accounts = Accounts(self.board, self.metrics, file, lambda: self.now)

    def lost(self, cause: str) -> float | None:
        labels = {"local_rank": "0", "cause": cause}
        return self.metrics.registry.get_sample_value(m.LOST_SECONDS.name, labels)


def test_board_metrics_and_figures_tell_the_same(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    writer.accounts.charge(goodput.START)
    writer.board.update(world_size=1)
    for step in (1, 2, 3):
        writer.now += 2
        writer.accounts.stepped(step, 1, RAYS)
    writer.now += 4
    writer.accounts.charge(goodput.EVALUATION)
    writer.accounts.tell()
    told, figures = writer.board.progress.goodput, writer.accounts.figures()
    start = writer.lost("start")
    assert start is not None and told is not None
    assert writer.lost("evaluation") == told.lost_seconds["evaluation"] == 4
    assert told.lost_seconds["start"] == pytest.approx(start, abs=0.01)
    assert told.wall_seconds == pytest.approx(start + 10, abs=0.01)
    assert told.ratio == pytest.approx(6 / (start + 10), abs=1e-3)
    assert (told.efficiency, figures["scalingEfficiency"]) == (1, {"1": 1})
    assert sum(figures["seconds"].values()) == pytest.approx(start + 10)


@pytest.mark.parametrize(
    ("run", "ended", "goes_on"),
    [("run", False, True), ("run", True, False), ("other", False, False)],
)
def test_the_next_process_goes_on_with_the_ledger(
    tmp_path: Path, run: str, ended: bool, goes_on: bool
) -> None:
    first = Writer(tmp_path)
    first.now += 7
    first.accounts.stepped(1, 1, RAYS)
    if ended:
        first.accounts.ended()
    first.accounts.close()
    kept = first.accounts.figures()["seconds"]["training"]
    second = Writer(tmp_path, run).accounts.figures()
    assert second["seconds"] == ({"training": kept} if goes_on else {})


def test_counters_begin_at_what_was_kept(tmp_path: Path) -> None:
    """From 0 they would jump, and what was lost before the restart would count again."""
    first = Writer(tmp_path)
    assert first.lost(goodput.EVALUATION) == 0
    first.now += 5
    first.accounts.charge(goodput.EVALUATION)
    first.accounts.close()
    assert (
        Writer(tmp_path).lost(goodput.EVALUATION)
        == first.accounts.figures()["seconds"][goodput.EVALUATION]
    )


def test_a_gap_between_two_processes_is_a_restart(tmp_path: Path) -> None:
    Writer(tmp_path).accounts.close()
    path = tmp_path / "ledger.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"time": document["time"] - age_seconds() - 100}))
    seconds = Writer(tmp_path).accounts.figures()["seconds"]
    assert seconds == {"restart": pytest.approx(100, abs=5)}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"run": "run", "ended": false, "account": {}}'])
def test_a_broken_ledger_starts_anew(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "ledger.json").write_text(text)
    assert Writer(tmp_path).accounts.figures()["seconds"] == {}
    assert "starts anew" in caplog.text
