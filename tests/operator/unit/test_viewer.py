"""The viewer: there while there is something to see, and never in the way of the training."""

from typing import Any

from operator_support.builders import (
    DEFAULTS,
    at,
    claim,
    ended,
    job,
    observed,
    pod,
    running,
    service,
    succeeded,
    word,
)

from nerf_contract import names, reasons
from nerf_contract.v1alpha1 import NeRFJobStatus
from nerf_operator.core.actions import Apply, Create, Delete, DrawToken, Plan
from nerf_operator.core.observed import Observed, Pod
from nerf_operator.core.plan import plan

VIEWER: dict[str, Any] = {"viewer": {"enabled": True}, "workers": {"replicas": 1}}


def decide(seen: Observed, status: NeRFJobStatus | None = None, **sections: Any) -> Plan:
    return plan(job(status=status, **VIEWER | sections), seen, at(0), DEFAULTS)


def viewer_pod(**fields: Any) -> Pod:
    return running(None, component="viewer", **fields)


def made(decided: Plan) -> list[dict[str, Any]]:
    pods = [a.pod for a in decided.actions if isinstance(a, Create)]
    return [p for p in pods if p["metadata"]["labels"][names.LABEL_COMPONENT] == "viewer"]


def test_it_comes_with_the_first_worker_that_trains() -> None:
    assert made(decide(observed(pod(0)))) == []
    decided = decide(observed(running(0)))
    [viewer] = made(decided)
    assert viewer["metadata"]["name"] == "demo-viewer-0"
    services = [a.child["metadata"]["name"] for a in decided.actions if isinstance(a, Apply)]
    assert services == ["demo-viewer"]
    [token] = [a for a in decided.actions if isinstance(a, DrawToken)]
    assert token.secret["metadata"]["name"] == "demo-viewer"
    assert "data" not in token.secret and "stringData" not in token.secret


def test_it_can_change_nothing() -> None:
    [viewer] = made(decide(observed(running(0))))
    [container] = viewer["spec"]["containers"]
    mounts = {m["mountPath"]: m.get("readOnly", False) for m in container["volumeMounts"]}
    assert mounts["/checkpoint"]
    # Photos would keep their volume, and so later jobs, on the viewer's node.
    assert "/data" not in mounts
    assert names.LABEL_DATASET_CLAIM not in viewer["metadata"]["labels"]
    assert viewer["spec"]["automountServiceAccountToken"] is False
    assert "nvidia.com/gpu" not in str(container["resources"])


def test_it_goes_where_the_volume_is() -> None:
    [viewer] = made(decide(observed(running(0))))
    [term] = viewer["spec"]["affinity"]["podAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert term["labelSelector"]["matchLabels"][names.LABEL_INDEX] == "0"
    anywhere = {c.name: c for c in (claim(), claim("demo-checkpoint", "ReadWriteMany"))}
    [viewer] = made(decide(observed(running(0), claims=anywhere)))
    assert "affinity" not in viewer["spec"]


def test_it_gives_way_to_a_writer_that_starts_elsewhere() -> None:
    moved = observed(
        running(0, 1, node="node-2", ready=False),
        viewer_pod(node="node-1"),
        viewer_service=service(name="demo-viewer"),
    )
    assert [a.name for a in decide(moved).actions if isinstance(a, Delete)] == ["demo-viewer-0"]
    stays = observed(running(0, 1, node="node-1"), viewer_pod(node="node-1"))
    assert not [a for a in decide(stays).actions if isinstance(a, Delete)]


def test_it_gives_way_to_a_writer_that_finds_no_node() -> None:
    stuck = observed(
        pod(0, 1, unschedulable="0/2 nodes"),
        viewer_pod(node="node-1"),
        viewer_service=service(name="demo-viewer"),
    )
    assert [a.name for a in decide(stuck).actions if isinstance(a, Delete)] == ["demo-viewer-0"]
    gone = observed(pod(0, 1, unschedulable="0/2 nodes"))
    assert made(decide(gone)) == []


def test_the_export_has_the_volume_before_it() -> None:
    mesh = {"outputs": {"mesh": {}}}
    assert made(decide(observed(succeeded(0)), **mesh)) == []
    export = running(None, component="export", node="node-2")
    waiting = pod(None, component="export")
    assert made(decide(observed(succeeded(0), waiting), **mesh)) == []
    [viewer] = made(decide(observed(succeeded(0), export), **mesh))
    [term] = viewer["spec"]["affinity"]["podAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    wanted = term["labelSelector"]["matchLabels"]
    assert wanted[names.LABEL_COMPONENT] == names.COMPONENT_EXPORT


def test_one_that_waits_for_a_writer_that_has_ended_is_made_anew() -> None:
    bound = pod(None, component="viewer", created=at(-60))
    ending = decide(observed(succeeded(0), bound))
    assert [a.name for a in ending.actions if isinstance(a, Delete)] == ["demo-viewer-0"]
    free = pod(None, component="viewer", created=at(60))
    assert not [a for a in decide(observed(succeeded(0), free)).actions if isinstance(a, Delete)]


def test_it_outlives_the_training() -> None:
    selector = {names.LABEL_JOB: "demo", names.LABEL_COMPONENT: "viewer"}
    there: dict[str, Any] = {"viewer_service": service(name="demo-viewer", selector=selector)}
    ending = decide(observed(succeeded(0), viewer_pod(), **there))
    status = ending.status
    assert status is not None and status.phase == "Succeeded"
    there["token_drawn"] = at(0)
    assert decide(observed(succeeded(0), viewer_pod(), **there), status).actions == ()
    assert len(made(decide(observed(succeeded(0), **there), status))) == 1


def test_a_token_that_was_deleted_is_drawn_again_and_the_pod_reads_it_by_itself() -> None:
    """The operator may not look whether it is there, so it tries, at its start and from time to
    time."""
    selector = {names.LABEL_JOB: "demo", names.LABEL_COMPONENT: "viewer"}
    there: dict[str, Any] = {"viewer_service": service(name="demo-viewer", selector=selector)}

    def drawn(before: float | None) -> tuple[list[str], float | None]:
        last = None if before is None else at(-before)
        found = decide(observed(running(0), viewer_pod(), token_drawn=last, **there))
        assert not [a for a in found.actions if isinstance(a, Create | Delete)]
        tokens = [a for a in found.actions if isinstance(a, DrawToken)]
        return [a.secret["metadata"]["name"] for a in tokens], found.requeue_after

    assert drawn(None) == (["demo-viewer"], 120)
    assert drawn(119) == ([], 1)
    assert drawn(120) == (["demo-viewer"], 120)
    [viewer] = made(decide(observed(running(0))))
    [container] = viewer["spec"]["containers"]
    assert not any("secretKeyRef" in str(variable) for variable in container["env"])
    assert "demo-viewer" in [
        v.get("secret", {}).get("secretName") for v in viewer["spec"]["volumes"]
    ]


def test_it_goes_with_a_failed_job() -> None:
    failed = ended(0, message=word(reasons.NON_FINITE_LOSS))
    decided = decide(observed(failed, viewer_pod()))
    assert [a.name for a in decided.actions if isinstance(a, Delete)] == ["demo-viewer-0"]


def test_turned_off_it_goes() -> None:
    off = decide(observed(running(0), viewer_pod()), viewer={"enabled": False})
    assert [a.name for a in off.actions if isinstance(a, Delete)] == ["demo-viewer-0"]


def test_a_viewer_that_cannot_start_stalls_nothing() -> None:
    stuck = pod(None, component="viewer", unschedulable="0/2 nodes")
    status = decide(observed(running(0), stuck)).status
    assert status is not None
    stalled = status.condition(reasons.STALLED)
    assert stalled is not None and stalled.status == "False"
