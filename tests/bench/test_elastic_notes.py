"""The figures of an elastic training, from notes of which they are known."""

import json
import math
import os
from pathlib import Path

import pytest
from elastic_notes import (
    ENV_NOTES,
    Note,
    Notebook,
    Notes,
    by_pod,
    by_process,
    lost_steps,
    pauses,
    redone_steps,
    repeated_steps,
    unique_rays,
)
from percentiles import percentile

from nerf_contract.names import ENV_WORKER_INDEX


def group(
    number: int, pids: list[int], steps: range, start: float, length: float = 1.0
) -> list[Note]:
    """Steps of a generation, the first of which ends at `start`; process 10 k + j is of pod k."""
    return [
        Note(start + k * length, step, number, len(pids), 100, pid // 10, pid)
        for k, step in enumerate(steps)
        for pid in pids
    ]


def test_a_pause_is_what_a_change_costs_beyond_a_step() -> None:
    notes = [*group(1, [0], range(1, 4), 1.0), *group(2, [0, 10], range(4, 8), 3.75, length=0.5)]
    assert pauses(notes, by_process) == [0.25]


def test_a_pause_is_that_of_the_survivor_who_waited_longest() -> None:
    before = group(1, [0, 10], range(1, 4), 1.0)
    before.remove(Note(3.0, 3, 1, 2, 100, 1, 10))  # It did not get the last step's result.
    assert pauses([*before, *group(2, [0, 10], range(4, 8), 5.0)], by_process) == [2.0]


def test_a_pause_ends_with_a_process_or_with_its_pod() -> None:
    notes = [*group(1, [0], range(1, 4), 1.0), *group(2, [1], range(4, 8), 9.0)]
    assert pauses(notes, by_process) == []
    assert pauses(notes, by_pod) == [5.0]


def test_steps_that_are_lost_or_done_again() -> None:
    first = group(1, [0, 10], range(1, 5), 1.0)
    again = group(2, [0, 20], range(4, 7), 9.0)
    notes = [*first, *again]
    assert (repeated_steps(first), redone_steps(first), lost_steps(first, 4)) == (0, 0, 0)
    assert (repeated_steps(notes), redone_steps(notes), lost_steps(notes, 8)) == (1, 1, 2)


def test_rays_of_a_step_count_once_and_when_it_was_done_first() -> None:
    notes = [*group(1, [0, 10], range(1, 5), 1.0), *group(2, [0], range(3, 7), 5.0)]
    assert unique_rays(notes, 1.0, 5.0) == 400
    assert unique_rays(notes, 5.0, 99.0) == 200


def test_a_percentile_lies_between_the_values() -> None:
    assert percentile([1.0, 2.0, 3.0], 50) == 2.0
    assert percentile([7.0], 95) == 7.0
    assert math.isnan(percentile([], 95))


def test_notes_are_read_once_each_and_when_their_line_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENV_NOTES, str(tmp_path))
    monkeypatch.setenv(ENV_WORKER_INDEX, "3")
    notes = Notes(tmp_path)
    Notebook().write(step=1, generation=2, world=4, rays=512, phases={"data": 0.5})
    with (tmp_path / "other.jsonl").open("w", buffering=1) as other:
        line = json.dumps(Note(0.0, 7, 1, 1, 1, 0, 1)) + "\n"
        other.write(line[:9])
        other.flush()
        assert [note[1:] for note in notes.all()] == [(1, 2, 4, 512, 3, os.getpid(), {"data": 0.5})]
        other.write(line[9:])
    assert [note.step for note in notes.all()] == [7, 1]
