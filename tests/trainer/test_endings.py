"""Termination messages, log lines and the learning rate."""

import io
import json
import logging
from pathlib import Path

import pytest

from nerf_contract import names
from nerf_contract.progress import Progress, TerminationMessage
from nerf_contract.reasons import CRASHED, DATASET_INVALID, WORKER_LEFT
from nerf_trainer.failures import MESSAGE_BYTES, clear_termination, write_termination
from nerf_trainer.logs import JsonFormatter, bar, set_up
from nerf_trainer.schedule import LAST_SHARE, learning_rate

PROGRESS = Progress(
    phase="training",
    step=25,
    total_steps=100,
    world_size=2,
    generation=1,
    loss=0.01,
    psnr=21.5,
    ssim=0.8125,
    rays_per_second=12345.0,
    eta_seconds=3.0,
)


@pytest.fixture
def last_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "termination-log"
    monkeypatch.setenv(names.ENV_TERMINATION_LOG, str(path))
    return path


def test_the_last_word_can_be_read_back(last_word: Path) -> None:
    write_termination(DATASET_INVALID, "x.png is missing.", PROGRESS)
    message = TerminationMessage.model_validate_json(last_word.read_text())
    assert (message.reason, message.message) == (DATASET_INVALID, "x.png is missing.")
    assert message.progress == PROGRESS


@pytest.mark.parametrize("letter", ["e", "é", "\x01"])
def test_a_long_message_is_cut_to_what_kubernetes_keeps(last_word: Path, letter: str) -> None:
    write_termination(CRASHED, letter * 5000, PROGRESS)
    assert len(last_word.read_bytes()) <= MESSAGE_BYTES
    assert TerminationMessage.model_validate_json(last_word.read_text()).reason == CRASHED


def test_a_process_that_is_told_to_end_leaves_the_cause_there(last_word: Path) -> None:
    write_termination(CRASHED, "first", None)
    write_termination(WORKER_LEFT, "told to end", None)
    assert TerminationMessage.model_validate_json(last_word.read_text()).message == "first"


def test_a_final_failure_is_not_overwritten(last_word: Path) -> None:
    write_termination(DATASET_INVALID, "first", None)
    write_termination(CRASHED, "second", None)
    assert json.loads(last_word.read_text())["message"] == "first"


def test_a_crash_is_overwritten_by_the_next_attempt(last_word: Path) -> None:
    write_termination(CRASHED, "first", None)
    write_termination("TrainingCompleted", "second", None)
    assert json.loads(last_word.read_text())["message"] == "second"


def test_a_last_word_that_was_cleared_neither_stands_nor_is_read(last_word: Path) -> None:
    write_termination(CRASHED, "first", None)
    clear_termination()
    assert last_word.read_bytes() == b""
    write_termination(WORKER_LEFT, "told to end", None)
    assert json.loads(last_word.read_text())["message"] == "told to end"


def test_a_log_line_is_one_json_object() -> None:
    record = logging.LogRecord("n", logging.INFO, "f", 1, "two\n%s", ("lines",), None)
    record.step = 7
    line = JsonFormatter().format(record)
    assert "\n" not in line
    entry = json.loads(line)
    assert (entry["message"], entry["level"], entry["step"]) == ("two\nlines", "info", 7)


def test_logs_are_json_where_there_is_no_terminal() -> None:
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        set_up(stream)
        logging.getLogger("nerf_trainer.x").info("hello")
    finally:
        root.handlers[:], root.level = handlers, level
    assert json.loads(stream.getvalue())["message"] == "hello"


def test_the_bar_shows_how_far() -> None:
    text = bar(PROGRESS)
    assert text.count("#") == 6
    assert "25%" in text
    assert "21.50 dB, SSIM 0.812" in text


def test_the_learning_rate_warms_up_and_decays() -> None:
    rates = [learning_rate(0.01, step, 1000) for step in range(1001)]
    assert rates[0] < rates[5] < rates[9]
    assert rates[10] == rates[500] == 0.01
    assert rates[500] > rates[750] > rates[1000]
    assert rates[1000] == pytest.approx(0.01 * LAST_SHARE)
