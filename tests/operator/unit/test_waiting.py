"""Obstacles are named with what to do about them."""

from typing import Any

import pytest
from operator_support.builders import IMAGE, NOW, at, claim, job, observed, pod, running, spec

from nerf_contract import reasons
from nerf_operator.core import blocking, claims, waiting
from nerf_operator.core.observed import Claim, Observed, Pod

NO_GPU = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."


def pulling(reason: str, message: str = "") -> Pod:
    return pod(node="n1", waiting_reason=reason, waiting_message=message)


def stuck(**fields: Any) -> Pod:
    return pod(node="n1", scheduled_at=at(-21), sandboxed=False, **fields)


#: name -> (pod, sections of the spec, reason, words)
CASES: dict[str, tuple[Pod, dict[str, Any], str, list[str]]] = {
    "image not found": (
        pulling("ImagePullBackOff", f"Back-off pulling: {IMAGE}: not found"),
        *({}, reasons.IMAGE_PULL_FAILED, [IMAGE, "not found", "spec.image"]),
    ),
    "image name": (
        pulling("InvalidImageName"),
        *({}, reasons.IMAGE_PULL_FAILED, ["InvalidImageName"]),
    ),
    "container config": (
        pulling("CreateContainerConfigError", "container has runAsNonRoot and image will run"),
        *({}, reasons.CONTAINER_CONFIG_ERROR, ["runAsNonRoot", "spec.image"]),
    ),
    "no GPUs": (
        pod(unschedulable=NO_GPU),
        {"workers": {"replicas": 2, "gpusPerWorker": 4}, "training": {"shards": 8}},
        *(reasons.UNSCHEDULABLE, [NO_GPU, "4 nvidia.com/gpu", "spec.workers.gpusPerWorker"]),
    ),
    "no CPUs": (
        pod(unschedulable="0/2 nodes are available: 2 Insufficient cpu."),
        *({}, reasons.UNSCHEDULABLE, ["spec.workers.resources.requests"]),
    ),
    "no GPUs for a job that has its size chosen": (
        pod(unschedulable=NO_GPU),
        {
            "scaling": {"policy": "Auto"},
            "workers": {"min": 1, "max": 2, "gpusPerWorker": 1},
        },
        *(reasons.UNSCHEDULABLE, ["spec.workers.gpusPerWorker or spec.workers.max"]),
    ),
    "GPUs are there, CPUs are not": (
        pod(unschedulable="0/2 nodes are available: 2 Insufficient cpu."),
        {"workers": {"replicas": 2, "gpusPerWorker": 1}},
        *(reasons.UNSCHEDULABLE, ["cpu. Lower spec.workers.resources.requests"]),
    ),
    "a taint": (
        pod(unschedulable="0/2 nodes are available: 2 node(s) had untolerated taint {gpu: true}."),
        *({}, reasons.UNSCHEDULABLE, ["spec.workers.tolerations"]),
    ),
    "another zone": (
        pod(unschedulable="0/2 nodes are available: 2 node(s) had volume node affinity conflict."),
        *({}, reasons.UNSCHEDULABLE, ["in another zone"]),
    ),
    "no such node": (
        pod(unschedulable="2 node(s) didn't match Pod's node affinity/selector."),
        {"workers": {"replicas": 2, "nodeSelector": {"gpu": "h100"}}},
        *(reasons.UNSCHEDULABLE, ["spec.workers.nodeSelector"]),
    ),
    "volumes elsewhere": (
        stuck(),
        *({}, reasons.VOLUME_NOT_MOUNTED, ["demo-checkpoint", "ReadWriteOnce", "ReadWriteMany"]),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_obstacle(name: str) -> None:
    stopped, sections, reason, words = CASES[name]
    found = waiting.explain(job(), spec(**sections), observed(), [running(1), stopped], NOW)
    assert found is not None
    assert found.reason == reason
    for text in words:
        assert text in found.message


PATIENT: dict[str, Pod] = {
    "just created": pod(),
    "pulling": pod(node="n1", scheduled_at=NOW, waiting_reason="ContainerCreating"),
    "volumes take a moment": pod(node="n1", scheduled_at=at(-19), sandboxed=False),
    "volumes are there, the image is large": pod(node="n1", scheduled_at=at(-99), sandboxed=True),
    "the kubelet does not tell": pod(node="n1", scheduled_at=at(-99)),
    "running": running(),
}


@pytest.mark.parametrize("name", PATIENT)
def test_no_obstacle(name: str) -> None:
    assert waiting.explain(job(), spec(), observed(), [PATIENT[name]], NOW) is None


def test_pull_messages_do_not_alternate_with_the_kubelet() -> None:
    texts = (
        ("ErrImagePull", f"failed to pull {IMAGE}: not found"),
        (
            "ImagePullBackOff",
            f'Back-off pulling image "{IMAGE}": ErrImagePull: {IMAGE}: not found',
        ),
    )
    found = {waiting.explain(job(), spec(), observed(), [pulling(*text)], NOW) for text in texts}
    assert len(found) == 1


@pytest.mark.parametrize(
    "words", [None, "pod has unbound immediate PersistentVolumeClaims."], ids=["late", "immediate"]
)
def test_a_claim_that_gets_no_volume(words: str | None) -> None:
    stopped = pod(created=at(-21), unschedulable=words)
    pending = {"photos": claim(phase="Pending")}
    found = waiting.explain(job(), spec(), observed(claims=pending), [stopped], NOW)
    assert found is not None and found.reason == reasons.CLAIM_PENDING
    assert "'photos' (storage class 'shared') is still Pending" in found.message


def test_a_volume_that_a_dead_node_holds_names_who_holds_it() -> None:
    """The writer's next attempt waits; a pod that may still write is never deleted by force."""
    lost = running(0, deleting=True, node="dead")
    stopped = pod(0, 1, node="n1", scheduled_at=at(-21), sandboxed=False)
    found = waiting.explain(job(), spec(), observed(lost, stopped), [stopped], NOW)
    assert found is not None and found.reason == reasons.VOLUME_NOT_MOUNTED
    assert "demo-worker-0-0 still ends on node 'dead'" in found.message
    assert "kubectl taint nodes dead node.kubernetes.io/out-of-service" in found.message


def test_one_node_for_all_is_explained() -> None:
    once = observed(claims={"photos": claim("photos", "ReadWriteOnce")})
    found = waiting.explain(job(), spec(), once, [pod(unschedulable="no room")], NOW)
    assert found is not None
    assert "'photos' is ReadWriteOnce, so all workers must share one node" in found.message


def claims_of(*there: Claim) -> Observed:
    return observed(claims={c.name: c for c in there})


def test_missing_claims_name_the_field() -> None:
    given = {"volume": {"claimName": "results"}}
    wanted = job(checkpoint=given)
    assert wanted.spec is not None
    photos = blocking.find(wanted, wanted.spec, claims_of())
    results = blocking.find(wanted, wanted.spec, claims_of(claim()))
    assert photos is not None and results is not None
    assert {photos.reason, results.reason} == {reasons.CLAIM_NOT_FOUND}
    for text in ("spec.dataset.claimName", "'photos'", "'lab'"):
        assert text in photos.message
    for text in ("spec.checkpoint.volume.claimName", "'results'"):
        assert text in results.message
    assert blocking.find(wanted, wanted.spec, claims_of(claim(), claim("results"))) is None


@pytest.mark.parametrize(
    ("modes", "together", "read_only"),
    [
        (["ReadWriteOnce"], True, False),
        (["ReadWriteOncePod"], True, False),
        (["ReadOnlyMany"], False, True),
        (["ReadWriteMany"], False, False),
        (["ReadWriteOnce", "ReadOnlyMany"], False, False),
    ],
)
def test_access_modes(modes: list[str], together: bool, read_only: bool) -> None:
    there = claims_of(claim("photos", *modes))
    assert claims.together(job(), spec(), there) is together
    assert claims.read_only(job(), spec(), there) is read_only


def test_patience_ends_at_a_known_moment() -> None:
    assert waiting.recheck_seconds([pod(), pod(created=at(-15)), running()], NOW) == 5.0
    assert waiting.recheck_seconds([running()], NOW) is None
