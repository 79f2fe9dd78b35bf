"""Why a job is as it is, from what it shows to the cause."""

import pytest
from cli_support.objects import (
    AWAY,
    COMPLETE,
    TRAINS,
    auto_job,
    check,
    claim,
    condition,
    ended,
    event,
    evidence,
    homeless,
    job,
    lease,
    node,
    operator,
    pod,
    ready,
    stalled,
    waits,
    word,
)

from nerf_cli import explaining
from nerf_cli.causes import finding, places
from nerf_cli.causes.evidence import Evidence, claim_names
from nerf_cli.causes.finding import Finding
from nerf_contract import reasons

NO_GPU = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
ELASTIC = {"spec": {"workers": {"replicas": 2, "min": 1}}}

#: name -> (what was read, beginnings of the lines of the chain that matter, in this order)
CHAINS: dict[str, tuple[Evidence, list[str]]] = {
    "failed for good": (
        evidence(
            job(condition(reasons.FAILED, reasons.DATASET_INVALID, "No photos.")),
            ended("poses", 0, 65, word(reasons.DATASET_INVALID, "No photos.")),
            ready("worker-0"),
        ),
        [
            "Failed (DatasetInvalid): No photos.",
            "  -> The dataset cannot be read as described. Mend that, and create the job demo",
            "  because demo-poses-0: it ended with exit code 65",
            "    because DatasetInvalid: No photos.",
            "      -> Mend that",
        ],
    ),
    "photos that are looked at": (
        evidence(
            job(
                waits(reasons.PREPARING, "The photos are read."),
                phase="Preparing",
                stage={"name": "poses", "activity": "matching", "percent": 40, "eta": "1m10s"},
            ),
            ready("poses"),
            logs={"demo-poses-0": ("pair 7 of 30",)},
        ),
        [
            "Preparing (Preparing): The photos are read.",
            "  because it is at matching, 40 %, 1m10s left",
            "    | pair 7 of 30",
        ],
    ),
    "no GPUs to share": (
        evidence(
            auto_job(waits(reasons.WAITING_FOR_GPUS, "Waiting for 2 workers of 1 GPU.")),
            nodes=[node("n1", gpus=4), node("n2", "False", gpus=8)],
        ),
        [
            "Pending (WaitingForGPUs): Waiting for 2 workers of 1 GPU.",
            "  because the nodes that take pods have 4 GPUs in all",
            "    -> It starts once others end",
        ],
    ),
    "a job that is larger than the cluster": (
        evidence(
            auto_job(condition(reasons.STALLED, reasons.EXCEEDS_CAPACITY, "Add nodes.")), nodes=[]
        ),
        ["Stalled (ExceedsCapacity): Add nodes.", "  because the nodes that take pods have 0 GPUs"],
    ),
    "no coordinator": (
        evidence(job(waits(reasons.PODS_STARTING), **ELASTIC), ready("worker-0")),
        ["  because the coordinator's pod, at which the workers meet, is not there"],
    ),
    "workers that no node takes, though the others train": (
        evidence(
            job(
                TRAINS,
                condition(reasons.WORKERS_READY, reasons.WORKERS_GIVEN_UP, "1 of 2.", "False"),
                **ELASTIC,
            ),
            *(ready("coordinator"), ready("worker-0"), homeless("worker-1", NO_GPU)),
        ),
        ["WorkersReady (WorkersGivenUp): 1 of 2.", "  because demo-worker-1-0: no node takes it"],
    ),
    "checkpoints that are not kept": (
        evidence(
            job(
                condition(reasons.RUNNING, "Training", "2 of 2 workers are training. No space."),
                COMPLETE,
            ),
            ready(),
        ),
        ["Running, but: No space."],
    ),
    "a viewer that crashes beside a training": (
        evidence(
            job(TRAINS, COMPLETE),
            *(ready("worker-0"), ready("worker-1")),
            pod(
                "viewer",
                phase="Running",
                spec={"nodeName": "n1"},
                containerStatuses=[
                    {
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                        "lastState": {"terminated": {"exitCode": 1, "message": "no port"}},
                    }
                ],
            ),
        ),
        ["demo-viewer-0: it ended with exit code 1", "  because it left no word", "    | no port"],
    ),
    "outputs that could not be made": (
        evidence(
            job(
                condition(reasons.SUCCEEDED, reasons.TRAINING_COMPLETED),
                condition(
                    reasons.OUTPUTS_READY, reasons.BACKOFF_LIMIT_EXCEEDED, "7 pods.", "False"
                ),
            ),
            ended("export", 6, 1, "disk full"),
        ),
        [
            "OutputsReady (BackoffLimitExceeded): 7 pods.",
            "  because demo-export-6: it ended with exit code 1",
        ],
    ),
    "being deleted": (
        evidence(job(TRAINS, metadata=AWAY), pod(phase="Running", meta=AWAY)),
        ["the job is being deleted", "  because demo-worker-0-0: it should be gone"],
    ),
    "no operator": (
        evidence(job(), operators=[]),
        [
            "The operator has not looked at the job yet.",
            "  because there is no Deployment of the operator",
            "    -> Install it by `helm install",
        ],
    ),
    "an operator that is down": (
        evidence(job(), operators=[operator(0)]),
        ["  because the operator does not run: of its Deployment nerf-nerf-operator 0 of 1 pods"],
    ),
    "an operator that was scaled away": (
        evidence(job(), operators=[operator(0, 0)]),
        ["    -> `kubectl -n nerf-system scale deployment nerf-nerf-operator --replicas 1`"],
    ),
    "an operator of other namespaces": (
        evidence(job(), operators=[operator(namespaces="a, b")]),
        ["  because the operator serves only the namespaces a, b, not lab"],
    ),
    "an operator that nobody may look for": (
        evidence(job(), operators=None),
        ["  because an operator may not be running; you may not look for it"],
    ),
    "an operator that is behind": (
        evidence(job(TRAINS, COMPLETE, generation=3), ready()),
        [
            "The operator has not looked at the last change of the spec; what follows is older.",
            "  because the operator runs, and has not come to it yet",
        ],
    ),
    "operators of which none could take the Lease": (
        evidence(job(), operators=[operator(2, 2, lease="nerf")], leases=lease("11:00:00")),
        [
            "The operator has not looked at the job yet.",
            "  because no operator works: the Lease nerf, which one of them must hold, was last "
            "renewed at 2026-01-01 11:00:00 UTC",
            "    -> The operators' logs say why: `kubectl -n nerf-system logs "
            "deploy/nerf-nerf-operator --all-pods`.",
        ],
    ),
    "no Lease, while all seems well": (
        evidence(
            job(TRAINS, COMPLETE),
            ready(),
            operators=[operator(2, 2, lease="nerf")],
            leases={("nerf-system", "nerf"): None},
        ),
        ["no operator works: the Lease nerf, which one of them must hold, is not there"],
    ),
    "an operator that is down while all seems well": (
        evidence(job(TRAINS, COMPLETE), ready(), operators=[operator(0)]),
        ["the operator does not run"],
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_from_the_effect_to_the_cause(name: str) -> None:
    check(*CHAINS[name])


#: what is fine, and the only lines that are said of it
FINE = {
    "training": (evidence(job(TRAINS, COMPLETE), ready(), ready("worker-1")), "Pending"),
    "beside operators of which one holds the Lease": (
        evidence(
            job(TRAINS, COMPLETE),
            ready(),
            ready("worker-1"),
            operators=[operator(2, 2, lease="nerf")],
            leases=lease("11:59:30"),
        ),
        "Pending",
    ),
    "beside operators whose Lease may not be read": (
        evidence(
            job(TRAINS, COMPLETE),
            ready(),
            ready("worker-1"),
            operators=[operator(2, 2, lease="nerf")],
        ),
        "Pending",
    ),
    "done": (
        evidence(job(condition(reasons.SUCCEEDED, reasons.TRAINING_COMPLETED, "Done."))),
        "Succeeded (TrainingCompleted): Done.",
    ),
    "a pod that leaves in its time": (
        evidence(
            job(TRAINS, COMPLETE),
            ready(),
            pod("worker-1", phase="Running", meta={"deletionTimestamp": "2026-01-01T12:00:20Z"}),
        ),
        "Pending",
    ),
    "a claim that waits for its first pod": (
        evidence(
            job(TRAINS, COMPLETE),
            claims={"photos": claim("Pending")},
            events=[event("claim", "WaitForFirstConsumer", "waiting", "Normal")],
        ),
        "Pending",
    ),
}


@pytest.mark.parametrize("name", FINE)
def test_what_is_well_is_said_in_two_lines(name: str) -> None:
    seen, first = FINE[name]
    lines = explaining.lines(seen)
    assert len(lines) == 2
    assert lines[0].startswith(first)
    assert lines[1] == "Nothing stands in its way."


def test_what_may_not_be_read_and_what_happened_lately_is_told() -> None:
    told = [event("job", f"E{i}", "x") for i in range(9)]
    lines = explaining.lines(evidence(stalled("Why"), events=told, hidden=("nodes", "events")))
    assert "not looked at, as you may not: nodes, events" in lines
    assert lines[-1] == "  2026-01-01T11:59:00  E8: x"
    assert lines.count("latest events:") == 1 and len(lines) == 9


def test_claims_that_the_spec_names_and_those_that_are_made() -> None:
    assert claim_names(job()) == ["demo-checkpoint", "photos"]
    own = {"dataset": {}, "checkpoint": {"volume": {"claimName": "mine"}}}
    assert claim_names(job(spec=own)) == ["demo-dataset", "mine"]


def test_logs_are_read_of_what_failed_and_of_one_that_runs() -> None:
    running = {"phase": "Running", "spec": {"nodeName": "n1"}}
    pods = [pod(f"worker-{index}", **running) for index in range(4)]
    replaced = [ended("worker-9", 1), pod("worker-9", 2)]
    read = places.worth_reading([*pods, *replaced, ended("worker-8"), ready("worker-7")])
    names = [found["metadata"]["name"] for found in read]
    assert names == ["demo-worker-8-0", "demo-worker-9-1", "demo-worker-0-0"]


def test_words_of_others_stay_lines_and_ours_one() -> None:
    found = Finding("it ended:\n boom", "Mend it.", ("a\nb",), depth=1)
    assert finding.lines(found) == [
        "  because it ended: boom",
        "    | a",
        "    | b",
        "    -> Mend it.",
    ]
