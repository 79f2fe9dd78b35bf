"""A job's life as its pods' states tell it: waiting, training, failing, finishing."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from operator_support.apiserver import wait_until
from operator_support.cluster import IMAGE_ID, Namespace
from operator_support.process import Operator

BOTH = ("demo-worker-0-0", "demo-worker-1-0")
ADDRESS = "127.77.0.1"
PROGRESS: dict[str, Any] = {
    **{"phase": "training", "step": 50, "totalSteps": 200, "worldSize": 2, "generation": 1},
    **{"psnr": 21.456, "ssim": 0.9, "raysPerSecond": 1234.5, "etaSeconds": 90},
    "checkpoint": {"step": 40, "time": "2026-01-01T00:00:00Z"},
}


def word(reason: str, message: str, **more: Any) -> str:
    return json.dumps({"reason": reason, "message": message} | more)


def start(lab: Namespace) -> None:
    lab.job()
    lab.await_pods(*BOTH)
    for name in BOTH:
        lab.run_pod(name, ADDRESS)


@pytest.fixture
def trainer() -> Iterator[dict[str, Any]]:
    """A worker's /status, whose answer the test may change."""
    answer = dict(PROGRESS)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())
            answer["timesAsked"] = answer.get("timesAsked", 0) + 1

        def log_message(self, *args: Any) -> None:
            pass

    stub = ThreadingHTTPServer((ADDRESS, 9400), Handler)
    threading.Thread(target=stub.serve_forever, daemon=True).start()
    yield answer
    stub.shutdown()
    stub.server_close()


def test_progress_is_asked_for_and_told(lab: Namespace, trainer: dict[str, Any]) -> None:
    start(lab)
    lab.await_condition("Running", "Training")
    lab.await_condition("WorkersReady", "AllReady")
    wait_until("progress", lambda: lab.status().get("progress"), 10)
    status = lab.status()
    assert status["progress"] == {
        **{"step": 50, "totalSteps": 200, "percent": 25, "psnr": 21.46, "ssim": 0.9},
        **{"raysPerSecond": 1234, "eta": "1m30s", "worldSize": 2},
    }
    assert status["checkpoint"]["step"] == 40
    assert status["workers"]["summary"] == "2/2"
    assert (status["phase"], status["image"]) == ("Running", IMAGE_ID)
    trainer["step"] = 100
    wait_until("more progress", lambda: lab.status()["progress"]["percent"] == 50, 10)


def test_workers_that_never_answer_keep_nobody_waiting(
    lab: Namespace, trainer: dict[str, Any]
) -> None:
    """Their sockets take connections, and that is all."""
    with ExitStack() as sockets:
        for number in range(10):
            address = f"127.77.1.{number + 1}"
            sockets.enter_context(socket.create_server((address, 9400)))
            lab.job(f"deaf-{number}", workers={"replicas": 1})
            pod = f"deaf-{number}-worker-0-0"
            wait_until("its pod", lambda pod=pod: pod in lab.pods(), 10)
            lab.run_pod(pod, address)
        lab.job()
        wait_until("both pods", lambda: set(BOTH) <= lab.pods().keys(), 10)
        for name in BOTH:
            lab.run_pod(name, ADDRESS)
        wait_until("progress", lambda: lab.status().get("progress"), 10)
        trainer["step"] = 100
        wait_until("more progress", lambda: lab.status()["progress"]["percent"] == 50, 10)
        lab.await_condition("WorkersReady", "AllReady", name="deaf-9")


def test_a_change_of_size_tells_what_it_cost(lab: Namespace, trainer: dict[str, Any]) -> None:
    start(lab)
    wait_until("progress", lambda: lab.status().get("progress"), 10)
    trainer |= {"worldSize": 3, "lastRegroupSeconds": 0.052}
    wait_until("the event", lambda: "Rescaled" in lab.events(), 10)
    assert lab.events()["Rescaled"] == (
        "Training goes on with 3 workers instead of 2, after a pause of 0.05 s."
    )


def is_calm(operator: Operator, trainer: dict[str, Any]) -> bool:
    """Nothing is written until the trainer was asked for its progress twice more."""
    writes, asked = operator.writes(), trainer["timesAsked"]
    wait_until("asked again", lambda: trainer["timesAsked"] >= asked + 2, 40)
    return operator.writes() == writes


def touch(lab: Namespace, operator: Operator, kind: str, name: str) -> None:
    """Change what does not matter, and wait for the pass that this causes."""
    passes = operator.passes()
    lab.patch(kind, name, {"metadata": {"annotations": {"seen": "yes"}}})
    wait_until(f"a pass for the {kind}", lambda: operator.passes() > passes, 10)


def test_nothing_is_written_while_nothing_changes(
    lab: Namespace, operator: Operator, trainer: dict[str, Any]
) -> None:
    start(lab)
    lab.await_condition("WorkersReady", "AllReady")
    wait_until("progress", lambda: lab.status().get("progress"), 10)
    wait_until("events", lambda: "TrainingStarted" in lab.events(), 10)
    wait_until("calm", lambda: is_calm(operator, trainer), 40)
    before, writes = lab.get("nerfjobs", "demo"), operator.writes()
    touch(lab, operator, "pods", BOTH[1])
    touch(lab, operator, "persistentvolumeclaims", "photos")
    assert operator.writes() == writes
    assert lab.get("nerfjobs", "demo") == before


def test_success(lab: Namespace) -> None:
    start(lab)
    done = PROGRESS | {"phase": "done", "step": 200, "psnr": 28.4}
    lab.end_pod(BOTH[0], 0, word("TrainingCompleted", "Trained 200 steps.", progress=done))
    found = lab.await_condition("Succeeded", "TrainingCompleted")
    assert found["message"] == "Trained 200 steps."
    status = lab.status()
    assert (status["phase"], status["progress"]["step"]) == ("Succeeded", 200)
    assert status["completionTime"]
    wait_until("the event", lambda: "Succeeded" in lab.events(), 10)
    assert "28.40 dB" in lab.events()["Succeeded"]
    lab.end_pod(BOTH[1], 0, word("TrainingCompleted", "Trained 200 steps."))
    assert set(lab.pods()) == set(BOTH)


def test_a_failure_that_cannot_be_mended_ends_the_job(lab: Namespace) -> None:
    start(lab)
    lab.end_pod(BOTH[1], 1, word("DatasetInvalid", "demo/a.jpg is missing"))
    found = lab.await_condition("Failed", "DatasetInvalid")
    assert found["message"] == "demo/a.jpg is missing"
    lab.await_pods(BOTH[1])  # The one with the logs that matter.
    assert lab.status()["phase"] == "Failed"
    wait_until("the event", lambda: "Failed" in lab.events(), 10)


def test_a_crashed_worker_gets_another_attempt(lab: Namespace) -> None:
    start(lab)
    lab.end_pod(BOTH[1], 1, "Traceback ...\nRuntimeError: boom")
    pods = lab.await_pods(*BOTH, "demo-worker-1-1")
    after = pods["demo-worker-1-1"]
    assert after["metadata"]["labels"]["nerfops.dev/failures"] == "1"
    assert after["spec"]["containers"][0]["image"] == IMAGE_ID
    wait_until("it is counted", lambda: lab.status().get("restarts") == 1, 10)
    wait_until("the event", lambda: "WorkerReplaced" in lab.events(), 10)
    assert "WorkerCrashed: exit code 1: RuntimeError: boom" in lab.events()["WorkerReplaced"]
    lab.end_pod("demo-worker-1-1", 137, reason="OOMKilled")
    lab.await_pods(BOTH[0], "demo-worker-1-1", "demo-worker-1-2", seconds=15)


def test_too_many_failures_end_the_job(lab: Namespace) -> None:
    lab.job(runPolicy={"backoffLimit": 0})
    lab.await_pods(*BOTH)
    lab.end_pod(BOTH[0], 137, reason="OOMKilled")
    found = lab.await_condition("Failed", "BackoffLimitExceeded")
    assert "runPolicy.backoffLimit 0" in found["message"]
    assert "limits.memory" in found["message"]


def test_a_missing_claim_is_named_and_the_job_heals(bare: Namespace, operator: Operator) -> None:
    bare.job()
    found = bare.await_condition("Stalled", "ClaimNotFound")
    for text in ("spec.dataset.claimName", "'photos'", bare.name):
        assert text in found["message"]
    assert bare.pods() == {}
    bare.claim()
    bare.await_pods(*BOTH)
    bare.await_condition("Stalled", "UpToDate", "False")


def test_an_image_that_cannot_be_pulled_spends_no_budget(lab: Namespace) -> None:
    lab.job(image="nowhere.example/trainer:1", runPolicy={"backoffLimit": 0})
    lab.await_pods(*BOTH)
    lab.hold_pod(BOTH[0], "ImagePullBackOff", "Back-off pulling image: not found")
    found = lab.await_condition("Stalled", "ImagePullFailed")
    assert "nowhere.example/trainer:1" in found["message"]
    assert lab.condition("Failed")["status"] == "False"
    assert lab.status().get("restarts", 0) == 0


def test_gpus_that_no_node_has(lab: Namespace) -> None:
    lab.job(workers={"replicas": 1, "gpusPerWorker": 8}, training={"shards": 8})
    pods = lab.await_pods(BOTH[0])
    assert pods[BOTH[0]]["spec"]["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "8"}
    words = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
    refused = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    condition = refused | {"message": words}
    lab.patch("pods", f"{BOTH[0]}/status", {"status": {"conditions": [condition]}})
    found = lab.await_condition("Stalled", "Unschedulable")
    assert words in found["message"] and "spec.workers.gpusPerWorker" in found["message"]


def test_one_node_for_a_volume_that_only_one_may_mount(bare: Namespace, operator: Operator) -> None:
    bare.claim(mode="ReadWriteOnce")
    bare.job()
    for pod in bare.await_pods(*BOTH).values():
        terms = pod["spec"]["affinity"]["podAffinity"]
        wanted = terms["requiredDuringSchedulingIgnoredDuringExecution"][0]
        assert wanted["topologyKey"] == "kubernetes.io/hostname"
        assert wanted["labelSelector"]["matchLabels"] == {"nerfops.dev/dataset-claim": "photos"}
