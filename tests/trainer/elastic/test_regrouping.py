"""Real torchrun agents and processes on loopback: who dies, who stays, and what is learnt."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from elastic_processes import HOST
from linear_worker import FEATURES, OVERDUE_SECONDS, SHARDS, shard_gradient
from pods import Job, wait_until

from nerf_trainer.coordination.membership import Settings
from nerf_trainer.coordination.server import Server

pytestmark = pytest.mark.torch


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    made = Job(tmp_path, min_pods=1)
    yield made
    made.clean_up()


def start_server(job: Job, grace: float = 0.0) -> Server:
    settings = Settings(min_pods=job.min_pods, grace=grace, patience=OVERDUE_SECONDS)
    server = Server(settings, HOST, job.port, job.token)
    server.start()
    return server


def check_learning(job: Job) -> None:
    """Every step was done, and with the result of an undisturbed run of one process."""
    notes = {note["step"]: note["weights"] for note in job.steps()}
    weights = torch.zeros(FEATURES, dtype=torch.float64)
    for step in range(max(notes)):
        gradient = sum(shard_gradient(weights, step, shard) for shard in range(SHARDS))
        weights = weights - 0.01 * gradient
        assert notes[step + 1] == pytest.approx(float(weights.sum()), rel=1e-9), step + 1


def pids(notes: list[dict[str, Any]], generation: int) -> dict[int, set[int]]:
    """Pod -> its processes in `generation`."""
    found: dict[int, set[int]] = {}
    for note in notes:
        if note["generation"] == generation:
            found.setdefault(note["pod"], set()).add(note["pid"])
    return found


def repeated_steps(job: Job, pod: int) -> int:
    """Steps that a process of `pod` did twice, all of which outlived every change."""
    done = [(n["pid"], n["step"]) for n in job.steps() if n["pod"] == pod]
    return len(done) - len(set(done))


def test_killed_process_costs_those_of_its_own_pod_and_no_other(job: Job) -> None:
    job.min_pods = job.processes = 2
    job.start_pod(0, host_coordinator=True)
    job.start_pod(1)
    first = job.wait_for_world(4)
    os.kill(job.processes_of(1)[0], signal.SIGKILL)
    second = job.wait_for_world(4, after=first)
    assert job.finish() == [0, 0], job.logs()
    before, after = pids(job.steps(), first), pids(job.steps(), second)
    assert before[0] == after[0]
    assert not before[1] & after[1]
    assert repeated_steps(job, pod=0) == 0
    check_learning(job)


def test_joiner_and_replacement_change_the_group_at_step_boundaries(job: Job) -> None:
    server = start_server(job)
    job.start_pod(0)
    alone = job.wait_for_world(1)
    job.start_pod(1)
    joined = job.wait_for_world(2, after=alone)
    job.kill_pod(1)
    left = job.wait_for_world(1, after=joined)
    job.start_pod(1)
    again = job.wait_for_world(2, after=left)
    assert job.finish() == [0, 0], job.logs()
    server.stop()
    notes = job.steps()
    assert len({*pids(notes, alone)[0], *pids(notes, joined)[0], *pids(notes, again)[0]}) == 1
    assert "lost a peer" not in (job.folder / "pod-1-1.log").read_text()
    assert repeated_steps(job, pod=0) == 0
    check_learning(job)


def test_training_goes_on_while_the_coordinator_is_away(job: Job) -> None:
    server = start_server(job)
    job.start_pod(0)
    job.start_pod(1)
    generation = job.wait_for_world(2)
    server.stop()
    seen = job.steps()[-1]["step"]
    wait_until(lambda: job.steps()[-1]["step"] > seen + 100, "100 steps without a coordinator")
    server = start_server(job, grace=3.0)
    wait_until(lambda: server.coordinator.status()["generation"] == generation, "adoption")
    assert job.newest() == generation
    os.kill(job.processes_of(1)[0], signal.SIGKILL)
    assert job.wait_for_world(2, after=generation) > generation
    assert job.finish() == [0, 0], job.logs()
    server.stop()
    check_learning(job)


def check_that_it_joins_anew(job: Job, both: int, alone: int) -> None:
    """Who was left behind is back as the same process; the other one has done each step once."""
    again = job.wait_for_world(2, after=alone)
    assert job.finish() == [0, 0], job.logs()
    assert pids(job.steps(), again) == pids(job.steps(), both)
    assert repeated_steps(job, pod=0) == 0
    check_learning(job)


def test_hung_process_is_left_behind_and_joins_anew(job: Job) -> None:
    server = start_server(job)
    job.start_pod(0)
    job.start_pod(1)
    both = job.wait_for_world(2)
    frozen = job.processes_of(1)[0]
    os.kill(frozen, signal.SIGSTOP)
    alone = job.wait_for_world(1, after=both)
    os.kill(frozen, signal.SIGCONT)
    check_that_it_joins_anew(job, both, alone)
    server.stop()


def test_others_go_on_without_one_whose_training_hangs_while_its_heart_beats(job: Job) -> None:
    server = start_server(job)
    job.start_pod(0)
    job.start_pod(1)
    both = job.wait_for_world(2)
    stall = job.folder / f"stall-{job.processes_of(1)[0]}"
    stall.touch()
    alone = job.wait_for_world(1, after=both)
    assert [m["aside"] for m in server.coordinator.status()["members"]] == [False, True]
    stall.unlink()
    check_that_it_joins_anew(job, both, alone)
    server.stop()


@pytest.mark.parametrize("processes", [1, 2])
def test_pod_that_is_told_to_end_leaves_at_a_step_boundary(job: Job, processes: int) -> None:
    job.processes = processes
    server = start_server(job)
    job.start_pod(0)
    job.wait_for_world(processes)
    job.start_pod(1)
    both = job.wait_for_world(2 * processes)
    leavers = job.terminate_pod(1)
    alone = job.wait_for_world(processes, after=both)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in leavers), "they end")
    assert job.finish() == [0], job.logs()
    server.stop()
    print(f"pause: {job.pause(both, alone):.3f} s")
    assert alone == both + 1
    assert pids(job.steps(), both)[0] == pids(job.steps(), alone)[0]
    assert "lost a peer" not in job.logs()
    for pod in (0, 1):
        assert repeated_steps(job, pod) == 0
    last = max(note["step"] for note in job.steps() if note["generation"] == both)
    assert (job.folder / "saved-1").read_text() == str(last)
    assert min(note["step"] for note in job.steps() if note["generation"] == alone) == last + 1
    check_learning(job)


def test_leaving_does_not_wait_for_a_peer_that_hangs(job: Job) -> None:
    """Nor for a coordinator that is away, so that nobody gives the hung one up."""
    server = start_server(job)
    job.start_pod(0)
    job.start_pod(1)
    job.wait_for_world(2)
    server.stop()
    before = len(job.steps())
    wait_until(lambda: len(job.steps()) > before + 4, "both train on without it")
    for pid in job.processes_of(0):
        os.kill(pid, signal.SIGSTOP)
    leaver = job.agents[1]
    job.terminate_pod(1)
    leaver.wait(60)
    told = (job.folder / "pod-1-0.log").read_text()
    assert "forcefully exiting" not in told
    assert not (job.folder / "saved-1").exists(), "saved in the middle of a step"


def test_pod_without_a_group_ends_by_itself(job: Job) -> None:
    job.min_pods = 2
    server = start_server(job)
    job.start_pod(0)
    wait_until(lambda: server.coordinator.status()["members"], "the pod waits for another")
    leaver = job.agents[0]
    job.terminate_pod(0)
    leaver.wait(60)
    assert (job.folder / "saved-0").exists()
    server.stop()
