"""A stage that hangs is ended, with a last word; one that goes on is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nerf_contract import names
from nerf_contract.progress import TerminationMessage
from nerf_contract.reasons import FAILURES, STAGE_HUNG
from nerf_trainer import stage
from nerf_trainer.stage import StageBoard

HANGS = """
import threading
from nerf_trainer.stage import StageBoard, end_if_it_hangs
board = StageBoard("poses")
board.update("mapping", 0.5)
end_if_it_hangs(board, limit=0.1, look_every=0.02)
threading.Event().wait()
"""


def test_a_stage_that_hangs_is_ended_with_a_last_word(tmp_path: Path) -> None:
    word = tmp_path / "last-word"
    env = os.environ | {names.ENV_TERMINATION_LOG: str(word), "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", HANGS], env=env, timeout=60, capture_output=True, text=True
    )
    assert done.returncode == FAILURES[STAGE_HUNG].exit_code, done.stderr
    told = TerminationMessage.model_validate_json(word.read_text())
    assert told.reason == STAGE_HUNG and "'mapping'" in told.message
    assert "most recent call first" in done.stderr


def test_only_what_is_new_ends_a_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(stage.time, "monotonic", lambda: now[0])
    board = StageBoard("export")
    for moment, activity, done, silence in (
        (5.0, "starting", 0.0, 5.0),
        (6.0, "starting", 0.1, 0.0),
        (8.0, "starting", 0.1, 2.0),
        (9.0, "video", 0.1, 0.0),
    ):
        now[0] = moment
        board.update(activity, done)
        assert board.silence == silence
