"""What pods tell is what the user's image says: the operator hears what makes sense of it."""

import json
from dataclasses import replace
from typing import Any

from hostile import DEEP, HUGE, fuzzed, odd_values, texts
from hypothesis import example, given
from hypothesis import strategies as st
from operator_support.builders import DEFAULTS, NOW, UID, at, ended, job, observed, running
from operator_support.model import STAGED
from pydantic import TypeAdapter, ValidationError

from nerf_contract import names
from nerf_contract.progress import Progress, Told
from nerf_contract.v1alpha1 import NeRFJobStatus
from nerf_operator.allocation.allocate import allocate
from nerf_operator.allocation.model import Allocation, Capacity, Tuning
from nerf_operator.allocation.model import Job as Asking
from nerf_operator.cluster import parse
from nerf_operator.core import auto
from nerf_operator.core.observed import Job, Observed
from nerf_operator.core.plan import plan

TOLD: TypeAdapter[Told] = TypeAdapter(Told)
PROGRESS: dict[str, Any] = {
    **{"phase": "training", "step": 50, "totalSteps": 200, "worldSize": 2, "generation": 1},
    **{"rank": 0, "loss": 0.1, "psnr": 20.0, "ssim": 0.5, "raysPerSecond": 1e4, "etaSeconds": 9.5},
    **{"lastRegroupSeconds": 0.1, "checkpoint": {"step": 40, "time": "2026-01-01T12:00:00Z"}},
    "checkpointFailure": {"since": "2026-01-01T12:00:00Z", "message": "No space left on device"},
    "goodput": {
        **{"ratio": 0.9, "efficiency": 0.8, "wallSeconds": 50.0},
        "lostSeconds": {"start": 1.0},
    },
}
STAGE: dict[str, Any] = {"stage": "poses", "activity": "matching", "done": 0.5, "etaSeconds": 3.0}
DATASET: dict[str, Any] = {
    **{"format": "photos", "photos": 20, "posed": 19, "unposed": ["a.jpg"]},
    "poses": "0123456789abcdef",
}
WORD: dict[str, Any] = {
    **{"reason": "TrainingCompleted", "message": "200 steps."},
    **{"progress": PROGRESS, "dataset": DATASET, "outputs": ["mesh.ply"]},
}
#: Of a job: far below what etcd takes, whatever its pods tell.
MOST_BYTES = 32_768


def check_status(status: NeRFJobStatus) -> None:
    """The API server takes it: numbers of 64 bits, as JSON, and not too many."""
    document = status.model_dump(by_alias=True, exclude_none=True)
    text = json.dumps(document, allow_nan=False)
    assert len(text.encode()) < MOST_BYTES
    assert NeRFJobStatus.model_validate_json(text) == status
    for value in _numbers(document):
        assert isinstance(value, bool) or abs(value) < 2**63


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for inner in value.values() for number in _numbers(inner)]
    if isinstance(value, list):
        return [number for inner in value for number in _numbers(inner)]
    return [value] if isinstance(value, int | float) else []


def settled(subject: Job, seen: Observed) -> Job:
    """The job after some passes, each of which writes down what the one before it found."""
    for seconds in (0, 5, 60):
        decided = plan(subject, seen, at(seconds), DEFAULTS)
        if decided.status is not None:
            check_status(decided.status)
            subject = replace(subject, status=decided.status)
    return subject


def heard(data: bytes) -> Told | None:
    """As `Prober` hears it."""
    try:
        return TOLD.validate_json(data)
    except ValidationError:
        return None


@fuzzed
@given(texts(PROGRESS) | texts(STAGE))
@example(DEEP)
@example(json.dumps(PROGRESS | {"raysPerSecond": HUGE}).encode())
@example(json.dumps(PROGRESS | {"etaSeconds": float("inf")}).encode())
@example(json.dumps(PROGRESS | {"psnr": float("nan")}).encode())
@example(json.dumps(PROGRESS | {"step": 2**63}).encode())
@example(json.dumps(STAGE | {"done": float("nan")}).encode())
@example(
    json.dumps(PROGRESS | {"checkpointFailure": {"since": "", "message": "x" * 60_000}}).encode()
)
def test_progress(data: bytes) -> None:
    told = heard(data)
    pods = (running(0), running(1))
    if isinstance(told, Progress):
        settled(job(), observed(*pods, progress=told))
    elif told is not None:
        poses = running(None, component=names.COMPONENT_POSES)
        settled(job(**STAGED), observed(poses, stage_progress=told))


@fuzzed
@given(texts(WORD))
@example(DEEP)
@example(json.dumps(WORD | {"reason": "two words"}).encode())
@example(json.dumps(WORD | {"dataset": DATASET | {"format": "../x"}}).encode())
@example(json.dumps(WORD | {"dataset": DATASET | {"poses": "../../etc"}}).encode())
def test_last_words(data: bytes) -> None:
    text = data.decode(errors="replace")[:4096]  # As the kubelet keeps it.
    for phase, code in (("Succeeded", 0), ("Failed", 1)):
        end: dict[str, Any] = {"message": text, "phase": phase, "exit_code": code}
        settled(job(), observed(ended(0, **end), running(1)))
        found = settled(job(**STAGED), observed(ended(None, component="poses", **end)))
        made = ended(None, component="export", **end)
        settled(found, observed(ended(None, component="poses", **end), made))


AUTO: dict[str, Any] = {
    "scaling": {"policy": "Auto"},
    "workers": {"min": 1, "max": 4, "gpusPerWorker": 1},
}
HONEST = Asking("lab/honest", min=1, max=4, remaining=1e8, arrived=NOW.timestamp())


@fuzzed
@given(st.lists(texts(PROGRESS), min_size=1, max_size=6))
@example([json.dumps(PROGRESS | {"worldSize": size}).encode() for size in range(5, 200)])
@example([json.dumps(PROGRESS | {"raysPerSecond": 5e-324}).encode()])
def test_who_lies_of_its_speed_breaks_no_decision(tellings: list[bytes]) -> None:
    given_two = Allocation(2, "Admitted", "Starts with 2 workers.")
    liar = settled(job(**AUTO), observed(allocation=given_two))
    for data in tellings:
        told = heard(data)
        if isinstance(told, Progress):
            seen = observed(running(None), running(0), running(1), progress=told)
            liar = settled(liar, replace(seen, allocation=given_two))
    assert liar.status.allocation is not None
    assert {one.workers for one in liar.status.allocation.speeds} <= {1, 2, 3, 4}
    asked = auto.request(replace(liar, name="liar"), 5.0)
    found = allocate([asked, HONEST], Capacity((6,)), NOW.timestamp() + 60, Tuning())
    sizes = {name: one.workers for name, one in found.items()}
    assert sizes["lab/liar"] <= 4 and sum(sizes.values()) <= 6
    assert found[HONEST.name].workers >= 1, "what is left over is enough for it"


LABELS = {
    names.LABEL_JOB: "demo",
    names.LABEL_COMPONENT: "worker",
    names.LABEL_INDEX: "0",
    names.LABEL_ATTEMPT: "0",
    names.LABEL_FAILURES: "0",
}
odd_texts = st.one_of(
    st.text(max_size=20), st.sampled_from(("²", "٣", "9" * 5000, "-1", "0x1", "1_0", "", " 1"))
)
label_values = st.from_regex(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", fullmatch=True)


@fuzzed
@given(
    st.dictionaries(st.sampled_from(sorted(LABELS)), label_values.filter(lambda v: len(v) < 64)),
    st.dictionaries(st.sampled_from((names.ANNOTATION_STEP, names.ANNOTATION_ROUNDS)), odd_texts),
)
@example({names.LABEL_INDEX: "9" * 63, names.LABEL_ATTEMPT: "9" * 63}, {})
@example({}, {names.ANNOTATION_STEP: "²"})
@example({}, {names.ANNOTATION_ROUNDS: "9" * 5000})
def test_a_pod_that_somebody_else_has_labelled(labels: Any, notes: Any) -> None:
    """Whoever may create pods in a namespace may label them as a job's, and name it as owner."""
    owner = {"kind": names.KIND, "name": "demo", "uid": UID, "controller": True}
    body = {
        "metadata": {
            **{"name": "stranger", "uid": "s", "resourceVersion": "7", "namespace": "lab"},
            **{"labels": LABELS | labels, "annotations": notes, "ownerReferences": [owner]},
            "creationTimestamp": "2026-01-01T12:00:00Z",
        },
        "spec": {"containers": [{"name": "trainer", "image": "x"}]},
        "status": {"phase": "Running", "podIP": "10.0.0.9"},
    }
    stranger = parse.pod(body)
    for phase in ("Running", "Failed", "Succeeded"):
        settled(job(), observed(running(0), running(1), replace(stranger, phase=phase)))


@fuzzed
@given(odd_values)
def test_a_spec_that_the_models_reject_is_an_error_and_no_exception(value: Any) -> None:
    """The API server may serve what an older or a newer definition let in."""
    meta = {"namespace": "lab", "name": "demo", "uid": UID, "resourceVersion": "1"}
    spec: Any = value if isinstance(value, dict) else {"dataset": value}
    found = parse.job(
        {"metadata": meta | {"generation": 1}, "spec": spec, "status": {"phase": value}}
    )
    assert found.spec is not None or found.error
    settled(found, observed())
