"""/status, /healthz and /metrics."""

import json
import urllib.request
from collections.abc import Iterator
from urllib.error import HTTPError

import pytest

from nerf_contract import metrics as m
from nerf_contract.progress import Progress
from nerf_trainer.http import StatusServer
from nerf_trainer.metrics import TrainerMetrics
from nerf_trainer.progress import Board


class Worker:
    """A server with its board and metrics."""

    def __init__(self) -> None:
        self.board, self.metrics = Board(total_steps=10), TrainerMetrics(local_rank=1)
        self.server = StatusServer(self.board, self.metrics, "127.0.0.1", 0)

    def get(self, path: str) -> tuple[int, str]:
        host, port = self.server.address
        try:
            with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.server.close()


def test_status_is_the_progress(worker: Worker) -> None:
    worker.board.update(step=4, phase="training", rays_per_second=12.5)
    status, body = worker.get("/status")
    assert status == 200
    assert json.loads(body)["raysPerSecond"] == 12.5
    assert Progress.model_validate_json(body) == worker.board.progress


def test_healthy_once_ready(worker: Worker) -> None:
    assert worker.get("/healthz")[0] == 503
    worker.board.ready.set()
    assert worker.get("/healthz") == (200, "ok\n")


def test_every_metric_of_the_contract_is_there(worker: Worker) -> None:
    _, body = worker.get("/metrics")
    for metric in m.TRAINER_METRICS:
        family = metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name
        assert f"# TYPE {family}" in body


def test_values_carry_the_local_rank(worker: Worker) -> None:
    worker.metrics.set(m.STEP, 7)
    worker.metrics.add(m.RAYS, 3)
    worker.metrics.observe(m.STEP_SECONDS, 0.02)
    worker.metrics.set(m.GPU_MEMORY, 5, "peak")
    worker.metrics.add(m.PHASE_SECONDS, 1.5, "forward")
    _, body = worker.get("/metrics")
    assert 'nerf_trainer_step{local_rank="1"} 7.0' in body
    assert 'nerf_trainer_rays_total{local_rank="1"} 3.0' in body
    assert 'nerf_trainer_step_seconds_count{local_rank="1"} 1.0' in body
    assert 'nerf_trainer_gpu_memory_bytes{local_rank="1",state="peak"} 5.0' in body
    assert 'nerf_trainer_phase_seconds_total{local_rank="1",phase="forward"} 1.5' in body


def test_resident_memory_is_measured(worker: Worker) -> None:
    _, body = worker.get("/metrics")
    line = next(x for x in body.splitlines() if x.startswith(m.RESIDENT_MEMORY.name + "{"))
    assert float(line.split()[-1]) > 1e6


def test_unknown_paths(worker: Worker) -> None:
    assert worker.get("/etc/passwd")[0] == 404
