"""From photos to outputs against a real API server, and the viewer on the way."""

import base64
import json

from operator_support.apiserver import wait_until
from operator_support.cluster import Namespace, Object
from operator_support.process import Operator

from nerf_contract import names, reasons

WORKER, POSES = "demo-worker-0-0", "demo-poses-0"
EXPORT, VIEWER = "demo-export-0", "demo-viewer-0"
FOUND = {"format": "photos", "photos": 20, "posed": 19, "poses": "0123456789abcdef"}


def word(reason: str, **more: object) -> str:
    return json.dumps({"reason": reason, "message": "Well done."} | more)


def begin(lab: Namespace) -> None:
    lab.job(
        dataset={"claimName": "photos", "format": "photos"},
        workers={"replicas": 1},
        outputs={"mesh": {}},
        viewer={"enabled": True},
        # On a volume for many nodes: there are none here that a viewer could follow.
        checkpoint={"volume": {"claimName": "photos"}},
    )
    lab.await_pods(POSES)


def test_photos_become_outputs(lab: Namespace) -> None:
    begin(lab)
    lab.await_condition("PosesReady", reasons.PREPARING, "False")
    lab.end_pod(POSES, 0, word(reasons.POSES_FOUND, dataset=FOUND))
    lab.await_pods(POSES, WORKER)
    lab.run_pod(WORKER)
    lab.await_pods(POSES, WORKER, VIEWER)
    lab.end_pod(WORKER, 0, word(reasons.TRAINING_COMPLETED))
    lab.await_pods(POSES, WORKER, VIEWER, EXPORT)
    wait_until("the phase", lambda: lab.status()["phase"] == "Exporting", 10)
    lab.end_pod(EXPORT, 0, word(reasons.OUTPUTS_MADE, outputs=["mesh.ply"]))
    lab.await_condition("Succeeded", reasons.TRAINING_COMPLETED)
    status = lab.status()
    assert (status["outputs"], status["dataset"]["posed"]) == (["mesh.ply"], 19)
    told = {reasons.POSES_FOUND, "Trained", reasons.OUTPUTS_MADE, "Succeeded"}
    wait_until("all is told", lambda: told <= set(lab.events()), 10)


def test_the_viewer_has_a_token_of_its_own(lab: Namespace) -> None:
    begin(lab)
    lab.end_pod(POSES, 0, word(reasons.POSES_FOUND, dataset=FOUND))
    lab.await_pods(POSES, WORKER)
    lab.run_pod(WORKER)
    first = lab.await_pods(POSES, WORKER, VIEWER)[VIEWER]
    token = _token(lab)
    assert len(token) >= 32
    service = lab.get("services", "demo-viewer")
    assert service is not None and service["spec"]["type"] == "ClusterIP"
    selected = service["spec"]["selector"]
    assert selected.items() <= first["metadata"]["labels"].items()
    lab.delete("pods", VIEWER)
    wait_until("another viewer", lambda: _viewers(lab) - {first["metadata"]["uid"]}, 10)
    assert _token(lab) == token


def test_a_token_that_is_deleted_is_drawn_anew_for_the_pod_that_runs(
    lab: Namespace, operator: Operator
) -> None:
    begin(lab)
    lab.end_pod(POSES, 0, word(reasons.POSES_FOUND, dataset=FOUND))
    lab.await_pods(POSES, WORKER)
    lab.run_pod(WORKER)
    there = lab.await_pods(POSES, WORKER, VIEWER)[VIEWER]
    token = _token(lab)
    lab.delete("secrets", "demo-viewer")
    operator.kill()  # It looks after the token at its start, and every two minutes.
    operator.start()
    wait_until("another token", lambda: lab.get("secrets", "demo-viewer") is not None, 20)
    assert _token(lab) != token
    assert _viewers(lab) == {there["metadata"]["uid"]}


def _viewers(lab: Namespace) -> set[str]:
    pods = lab.pods().items()
    return {pod["metadata"]["uid"] for name, pod in pods if name.startswith("demo-viewer")}


def _token(lab: Namespace) -> str:
    secret: Object | None = lab.get("secrets", "demo-viewer")
    assert secret is not None
    assert secret["metadata"]["ownerReferences"][0]["kind"] == names.KIND
    return base64.b64decode(secret["data"][names.TOKEN_KEY]).decode()


def test_stages_survive_the_loss_of_their_pods(lab: Namespace) -> None:
    begin(lab)
    lab.end_pod(POSES, 137, reason="OOMKilled")
    lab.await_pods(POSES, "demo-poses-1")
    lab.end_pod("demo-poses-1", 0, word(reasons.POSES_FOUND, dataset=FOUND))
    lab.await_condition("PosesReady", reasons.POSES_FOUND)
    lab.delete("pods", POSES)
    lab.delete("pods", "demo-poses-1")
    lab.await_pods(WORKER)
    lab.end_pod(WORKER, 0, word(reasons.TRAINING_COMPLETED))
    lab.await_condition("Trained", reasons.TRAINING_COMPLETED)
    lab.delete("pods", WORKER)
    lab.await_pods(EXPORT, VIEWER)
    lab.end_pod(EXPORT, 1, word(reasons.OUTPUTS_FAILED))
    lab.await_condition("OutputsReady", reasons.OUTPUTS_FAILED, "False")
    lab.await_condition("Succeeded", reasons.TRAINING_COMPLETED)
