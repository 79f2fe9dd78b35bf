"""Volumes fill up, go bad or are deleted under a job that trains."""

import pytest
from e2e_support import host
from e2e_support.host import checkpoints
from e2e_support.kube import wait_for
from faults_support import Make, Subject

pytestmark = [pytest.mark.cluster, pytest.mark.faults]
FILLER = "/checkpoint/filler"
FILL = f"""
import errno, os
with open({FILLER!r}, "wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(65536))
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
"""


def test_the_checkpoint_volume_is_full(subject: Make) -> None:
    """A disk of its own, whose last good checkpoint is what the job goes on from."""
    volume = {"volume": {"size": "32Mi", "storageClassName": "small"}}
    with subject(checkpoint=volume) as it:
        wait_for("a checkpoint", lambda: _told(it), 30)
        it.strike()
        _in_writer(it, FILL)
        wait_for("the condition tells", lambda: "No space left" in _words(it), 40)
        kept = _told(it)
        it.goes_on(20)
        it.kill_workers(0, 1, coordinator=True)
        it.whole()
        first = it.starts()[0].step
        assert first >= kept, "the last good checkpoint was lost"
        _in_writer(it, f"import os; os.unlink({FILLER!r})")
        wait_for("checkpoints again", lambda: _told(it) > first, 40)
        wait_for("no complaint", lambda: "No space left" not in _words(it), 30)
        it.survived(lost_steps=None, restarts=3)


def _told(it: Subject) -> int:
    """Step of the newest checkpoint, as the status tells."""
    return int((it.job.status().get("checkpoint") or {}).get("step", 0))


def _words(it: Subject) -> str:
    return str(it.job.condition("Running").get("message", ""))


def _in_writer(it: Subject, script: str) -> None:
    it.job.namespace.run("exec", it.pod(0), "--", "python3", "-c", script)


def test_the_newest_checkpoint_is_corrupt(subject: Make) -> None:
    with subject() as it:
        wait_for("two checkpoints", lambda: len(checkpoints(it.job)) > 1, 40)
        it.strike()
        it.kill_workers(0, 1, coordinator=True)
        *_, before, newest = checkpoints(it.job)
        _flip_a_bit(it, newest)
        it.whole()
        assert it.starts()[0].step == before
        it.survived(lost_steps=None, restarts=3)


def _flip_a_bit(it: Subject, step: int) -> None:
    folder = host.results(it.job)
    assert folder is not None
    path = folder / f"checkpoints/step-{step:09d}/state.safetensors"
    content = bytearray(path.read_bytes())
    content[it.dice.randrange(len(content))] ^= 1 << it.dice.randrange(8)
    path.write_bytes(content)


def test_the_checkpoint_claim_is_deleted(subject: Make) -> None:
    """Kubernetes keeps it while pods use it. Once they are gone, nothing begins anew."""
    with subject() as it:
        wait_for("a checkpoint", lambda: _told(it), 30)
        it.strike()
        it.job.namespace.run("delete", "pvc", f"{it.job.name}-checkpoint", "--wait=false")
        it.goes_on(40)
        it.survived(lost_steps=0)
        it.kill_workers(0, 1, coordinator=True)
        stalled = it.job.wait_condition("Stalled", deadline_s=60)
        assert stalled["reason"] == "ClaimNotFound", stalled
        assert "deleted, and the checkpoint of step" in stalled["message"]
        wait_for("nobody trains", lambda: not it.job.workers(), 30)
        assert it.starts() == []
