"""The rows of the fault matrix: what happens, what must hold, and the tests that show it.

The one list: `make test-faults` runs the tests, docs/reliability.md is made from it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Layer(StrEnum):
    """What is real in a test."""

    CLUSTER = "cluster"
    API = "API server"
    PROCESSES = "processes"


MEANINGS: Final = {
    Layer.CLUSTER: "Kubernetes with two nodes on one machine, the images and the chart",
    Layer.API: "a real API server and etcd, and the operator as a process; kubelets are played",
    Layer.PROCESSES: "the trainer in the file system of its image, without a cluster",
}


@dataclass(frozen=True)
class Row:
    """A fault. how: it is brought about. tests: node ids of pytest; all have to pass.

    A test may have parameters, all of which belong to it.
    """

    id: str
    fault: str
    how: str
    holds: str
    layer: Layer
    tests: tuple[str, ...]


_E2E: Final = "tests/e2e/"
_FAULTS: Final = "tests/e2e/faults/"
_API: Final = "tests/operator/api/"
_TRAINER: Final = "tests/trainer/"


def _cluster(id: str, fault: str, how: str, holds: str, *tests: str) -> Row:
    return Row(id, fault, how, holds, Layer.CLUSTER, tests)


def _api(id: str, fault: str, how: str, holds: str, *tests: str) -> Row:
    return Row(id, fault, how, holds, Layer.API, tuple(_API + test for test in tests))


def _processes(id: str, fault: str, how: str, holds: str, *tests: str) -> Row:
    return Row(id, fault, how, holds, Layer.PROCESSES, tuple(_TRAINER + test for test in tests))


_GOES_ON: Final = "the other goes on; one step lost at most"

PODS: Final = (
    _cluster(
        *("worker-crash", "a worker's pod crashes", "SIGKILL to all of its processes"),
        *(_GOES_ON, f"{_FAULTS}test_pods.py::test_a_pod_crashes[worker]"),
    ),
    _cluster(
        *("writer-crash", "the pod that writes checkpoints crashes", "SIGKILL, as above"),
        *(_GOES_ON, f"{_FAULTS}test_pods.py::test_a_pod_crashes[writer]"),
    ),
    _cluster(
        *("coordinator-crash", "the coordinator's pod crashes", "SIGKILL, as above"),
        *("no step is lost, no worker restarts",),
        f"{_FAULTS}test_pods.py::test_the_coordinator_crashes",
    ),
    _cluster(
        *("coordinator-and-worker", "coordinator and a worker crash together"),
        *("SIGKILL to both at once", _GOES_ON),
        f"{_FAULTS}test_pods.py::test_coordinator_and_worker_crash_together",
    ),
    _cluster(
        *("all-pods", "all pods of a job crash", "SIGKILL to all at once"),
        "it goes on from the newest checkpoint: no more than an interval is lost",
        f"{_FAULTS}test_pods.py::test_all_pods_crash_at_once",
    ),
    _cluster(
        *("eviction", "pods are evicted", "the Eviction API, the writer's pod too"),
        "a checkpoint in the grace period, no step lost, no budget spent",
        f"{_FAULTS}test_pods.py::test_pods_are_evicted",
    ),
    _cluster(
        *("frozen-worker", "a worker freezes, and its metrics endpoint hangs", "SIGSTOP, SIGCONT"),
        "the other goes on and the status tells so; it comes back as the same process",
        f"{_FAULTS}test_pods.py::test_a_worker_freezes_and_its_status_hangs",
    ),
    _cluster(
        *("children-deleted", "a user deletes pods and the Service", "kubectl delete"),
        "healed within 10 s, no budget spent",
        f"{_E2E}test_training.py::test_training_survives_the_loss_of_processes_pods_and_service",
    ),
)

NODES: Final = (
    _cluster(
        *("node-lost", "a node loses its power", "all of its processes end at once"),
        "the other node goes on; a pod elsewhere within 60 s; no budget spent",
        f"{_FAULTS}test_nodes.py::test_a_node_dies",
    ),
    _cluster(
        *("writer-cut-off", "the node of the writer is cut off", "its network cable is unplugged"),
        "one group trains; what is cut off writes nothing, and cannot when it is back",
        f"{_FAULTS}test_nodes.py::test_the_writer_is_cut_off",
    ),
    _cluster(
        *("kubelet-restart", "kubelets are away", "stopped for 5 s on both nodes"),
        "no pod and no container restarts; a crash after that is healed",
        f"{_FAULTS}test_nodes.py::test_kubelets_are_away",
    ),
    _cluster(
        *("containerd-restart", "containerd restarts", "SIGKILL on both nodes, started again"),
        "no pod and no container restarts; a crash after that is healed",
        f"{_FAULTS}test_nodes.py::test_containerds_restart",
    ),
)

CONTROL_PLANE: Final = (
    _cluster(
        *("api-server-away", "the API server is away", "stopped for more than 60 s"),
        "training goes on, no pod is touched, the status catches up",
        f"{_FAULTS}test_control_plane.py::test_the_api_server_is_away",
    ),
    _api(
        *("api-server-away-long", "the API server is away for five minutes", "stopped"),
        "the operator stays healthy; all is made good 10 s after",
        "test_outage.py::test_an_api_server_that_is_away_for_five_minutes",
    ),
    _cluster(
        *("dns-away", "DNS is away", "stopped, and a worker crashes"),
        "who trains goes on; who is to join waits; one step lost at most",
        f"{_FAULTS}test_control_plane.py::test_dns_is_away",
    ),
    _cluster(
        *("operator-away", "the operator is away while pods crash"),
        "scaled to nothing; a worker, the coordinator and the Service go",
        "the other worker goes on; all is made good once it is back",
        f"{_FAULTS}test_control_plane.py::test_the_operator_is_away_while_pods_crash",
    ),
    _api(
        *("operator-dies-at-a-call", "the operator dies before or after a call of a job's life"),
        "a proxy kills it, at each call in turn",
        "the same end, no duplicate, no orphan",
        "test_faults.py::test_an_operator_that_dies_at_any_call_is_not_missed",
    ),
    _api(
        *(
            "watch-faults",
            "watches tell late, twice or out of order, break off, or have expired (410)",
        ),
        *("a proxy", "the same end"),
        "test_faults.py::test_watches_may_tell_badly",
    ),
    _api(
        *("half-of-calls-fail", "half of the calls to the API server fail"),
        "a proxy answers with an error, before or after they are done",
        "the same end, no duplicate, no orphan",
        "test_faults.py::test_half_of_all_calls_fail",
    ),
    _api(
        *("two-operators", "two operators at once", "both are started, one is killed or cut off"),
        "a Lease fences them: nothing is made twice",
        "test_lease.py::test_only_one_of_two_works",
        "test_lease.py::test_the_one_that_waits_takes_over_from_one_that_died",
        "test_lease.py::test_one_that_is_cut_off_stops_before_the_other_begins",
    ),
    _api(
        *("clock-skew", "the operator's clock is 10 minutes slow, or fast"),
        *("shifted for its process alone", "the same end, within the same deadlines"),
        "test_faults.py::test_a_clock_that_is_wrong",
    ),
    _api(
        *("status-hangs", "workers take connections and never answer", "sockets that only listen"),
        "jobs next door are told of as soon as ever",
        "test_life.py::test_workers_that_never_answer_keep_nobody_waiting",
    ),
    _cluster(
        *("operator-upgrade", "upgrade, uninstall and new install of the chart, jobs running"),
        *("helm", "no pod restarts; training goes on"),
        f"{_E2E}test_chart.py::test_a_job_does_not_notice_upgrade_uninstall_and_install",
    ),
)

VOLUMES: Final = (
    _cluster(
        *("volume-full", "the checkpoint volume is full, and all pods crash"),
        "a disk of 32 MiB is filled",
        "a condition tells; training goes on, from the last good checkpoint; mended by room",
        f"{_FAULTS}test_volumes.py::test_the_checkpoint_volume_is_full",
    ),
    _cluster(
        *("checkpoint-corrupt", "the newest checkpoint is corrupt, and all pods crash"),
        *("one bit is flipped", "its SHA-256 rejects it; training goes on from the one before"),
        f"{_FAULTS}test_volumes.py::test_the_newest_checkpoint_is_corrupt",
    ),
    _processes(
        *("checkpoint-torn", "a checkpoint is torn, in each way that its files can be"),
        *("files are cut, emptied, removed", "the one before is taken; the full disk keeps it"),
        "test_checkpoint.py::test_a_torn_checkpoint_is_skipped_for_the_one_before",
        "test_checkpoint.py::test_a_full_volume_keeps_the_last_good_one_and_no_half_of_the_next",
    ),
    _cluster(
        *("claim-deleted", "the checkpoint claim is deleted under a job that trains"),
        *("kubectl delete, then all pods crash",),
        "training goes on while it can; then the job says what is lost, and begins nothing anew",
        f"{_FAULTS}test_volumes.py::test_the_checkpoint_claim_is_deleted",
    ),
)

RESOURCES: Final = (
    _cluster(
        *("image-missing", "the image cannot be pulled", "a name that is nowhere"),
        "a condition within 30 s, no budget spent",
        f"{_E2E}test_wrong_input.py::test_explained_by_a_condition[no-image]",
    ),
    _cluster(
        *("oom-kill", "a worker has too little memory", "a limit; the kernel ends it"),
        "a reason of its own, as many attempts as the budget allows",
        f"{_FAULTS}test_resources.py::test_a_worker_is_out_of_memory",
    ),
    _processes(
        *("cuda-oom", "a GPU is out of memory", "the exception that CUDA raises"),
        "smaller chunks of the same batch",
        "test_models.py::test_out_of_memory_halves_the_chunk_and_not_the_batch",
    ),
    _cluster(
        *("few-gpus", "there are GPUs for some workers only", "more are asked for than there are"),
        "it trains with those; no hot loop",
        f"{_FAULTS}test_resources.py::test_there_are_gpus_for_some_workers_only",
    ),
    _cluster(
        *("no-gpus", "no node has the GPUs", "more are asked for than any node has"),
        "Stalled: Unschedulable, with what to change",
        f"{_E2E}test_wrong_input.py::test_explained_by_a_condition[no-gpus]",
    ),
)

USERS: Final = (
    _cluster(
        *("edited", "a job is edited every 100 ms", "sizes, budgets, labels; forbidden fields too"),
        "what may not change is refused; no step is lost",
        f"{_FAULTS}test_jobs.py::test_a_job_is_edited_every_100_ms",
    ),
    _api(
        *("edit-sequences", "edits and deletions in any order", "sequences by chance"),
        "none is stuck, none is written to without end",
        "test_sequences.py::test_some_sequences",
    ),
    _cluster(
        *("rescaled", "a job is scaled up and down, and loses a pod", "kubectl scale, delete"),
        "the same weights, bit for bit, as if nothing had been",
        f"{_E2E}test_elastic.py::test_a_job_that_is_scaled_and_loses_a_pod_comes_to_the_same_weights",
    ),
    _cluster(
        *("created-again", "a job is deleted and created again at once, under its name", "kubectl"),
        "the new one has pods of its own, and begins at step 0",
        f"{_FAULTS}test_jobs.py::test_a_job_is_created_again_at_once",
    ),
    _cluster(
        *("deleted-early", "a job is deleted while it starts, or while the operator is away"),
        *("at four moments; scaled to nothing", "all children go, no finalizer holds it"),
        f"{_E2E}test_training.py::test_every_child_goes_with_the_job_at_any_moment",
        f"{_E2E}test_training.py::test_delete_needs_no_operator",
    ),
    _cluster(
        *("namespace-deleted", "the namespace of a job that trains is deleted", "kubectl delete"),
        "all is gone within 90 s; the job next door does not notice",
        f"{_FAULTS}test_jobs.py::test_the_namespace_is_deleted",
    ),
    _api(
        *("poison", "hundreds of hostile jobs", "resources by chance and by malice"),
        "refused or bound; jobs of others go on; nothing fails in the operator",
        "test_hostile_jobs.py::test_each_that_is_accepted_has_a_status",
        "test_hostile_jobs.py::test_jobs_of_others_go_on",
        "test_hostile_jobs.py::test_nothing_fails_in_the_operator",
    ),
)

GROUPS: Final = {
    "Pods and processes": PODS,
    "Nodes": NODES,
    "Control plane and operator": CONTROL_PLANE,
    "Volumes": VOLUMES,
    "Images, memory, GPUs": RESOURCES,
    "Users": USERS,
}
ROWS: Final = tuple(row for rows in GROUPS.values() for row in rows)
