"""The log for TensorBoard: complete, and never in the way."""

import logging
from pathlib import Path

import pytest

pytest.importorskip("torch")

from event_files import curves, read_events

from nerf_trainer import tensorboard
from nerf_trainer.tensorboard import MAX_WAITING, EventLog

pytestmark = pytest.mark.torch


def test_entries_can_be_read_back(tmp_path: Path) -> None:
    events = EventLog(tmp_path / "log")
    events.scalars(10, {"loss": 0.5, "rate": 0.25})
    events.picture(10, "view", b"png", (2, 8, 3))
    events.close()
    found = curves(read_events(tmp_path / "log"))
    assert (found["loss"], found["rate"]) == ([(10, 0.5)], [(10, 0.25)])
    [(step, image)] = found["view"]
    assert (step, image.encoded_image_string, image.height, image.width) == (10, b"png", 2, 8)


def test_a_later_run_hides_what_it_repeats(tmp_path: Path) -> None:
    for first in (10, 20):
        events = EventLog(tmp_path)
        for step in (first, first + 10):
            events.scalars(step, {"loss": 0.5})
        events.close()
    found = read_events(tmp_path)
    assert [e.step for e in found if e.HasField("session_log")] == [10, 20]
    assert [e.file_version for e in found if e.file_version] == ["brain.Event:2"] * 2


def test_a_folder_that_cannot_be_written_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "log").write_text("a file where the folder should be")
    events = EventLog(tmp_path / "log")
    for step in range(MAX_WAITING + 10):
        events.scalars(step, {"loss": 0.5})
    events.close()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_full_volume_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorboard._EventFile, "__init__", lambda *_: None)
    monkeypatch.setattr(tensorboard._EventFile, "write", no_space)
    events = EventLog(tmp_path)
    for step in range(MAX_WAITING + 10):
        events.scalars(step, {"loss": 0.5})
    events.close()
    assert ["No space left" in record.getMessage() for record in caplog.records] == [True]


def no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_without_entries_there_is_no_file(tmp_path: Path) -> None:
    EventLog(tmp_path / "log").close()
    assert not (tmp_path / "log").exists()
