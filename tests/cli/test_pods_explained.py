"""Why pods and claims keep a job waiting, from the effect to the cause."""

import pytest
from cli_support.objects import (
    AWAY,
    check,
    claim,
    condition,
    ended,
    event,
    evidence,
    homeless,
    job,
    node,
    pod,
    stalled,
    waiting,
    waits,
    word,
)

from nerf_cli.causes.evidence import Evidence
from nerf_contract import reasons

NO_GPU = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
UNBOUND = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."
QUOTA = (
    'pods "demo-worker-1-0" is forbidden: exceeded quota: compute, requested: requests.cpu=2, '
    "used: requests.cpu=3, limited: requests.cpu=4 The operator keeps trying."
)
PULL = 'failed to pull and unpack image "registry/trainer:1": not found'
OOM = {"container": {"resources": {"limits": {"memory": "2Gi"}}}}
PREEMPTED = condition("DisruptionTarget", "PreemptionByScheduler", "preempted")
LOST = "-> Start the node."
CRASH = word(reasons.CRASHED, "boom")

#: name -> (what was read, beginnings of the lines of the chain that matter, in this order)
CHAINS: dict[str, tuple[Evidence, list[str]]] = {
    "no GPUs, for two pods of one trouble": (
        evidence(
            stalled(reasons.UNSCHEDULABLE, "No node takes it."),
            *(homeless("worker-0", NO_GPU), homeless("worker-1", NO_GPU)),
        ),
        [
            "Stalled (Unschedulable): No node takes it.",
            "  because demo-worker-0-0 and 1 more: no node takes it",
            "    because on 2 of 2 nodes: too few GPUs are free",
            "      -> Lower spec.workers.gpusPerWorker",
        ],
    ),
    "a claim whose storage class does nothing": (
        evidence(
            stalled(reasons.CLAIM_PENDING),
            homeless("worker-0", UNBOUND),
            claims={"photos": claim("Pending")},
            events=[event("claim", "ProvisioningFailed", 'storageclass "fast" not found')],
        ),
        [
            "Stalled (ClaimPending)",
            "  because demo-worker-0-0: no node takes it",
            "    because a claim of the pod has no volume yet",
            "  because the claim photos has no volume yet (it is Pending)",
            "    because the storage class fast made none",
            '      | storageclass "fast" not found',
            "      -> See `kubectl get storageclass fast`",
        ],
    ),
    "a claim without a class": (
        evidence(
            stalled(reasons.CLAIM_PENDING),
            claims={"photos": claim("Pending", None)},
            events=[event("claim", "FailedBinding", "no persistent volumes", "Normal")],
        ),
        ["    because it names no storage class", "      | no persistent volumes"],
    ),
    "a claim that does not exist": (
        evidence(stalled(reasons.CLAIM_NOT_FOUND), claims={"photos": None}),
        ["  because the claim photos does not exist in namespace lab", "    -> Create it"],
    ),
    "a claim that is lost": (
        evidence(stalled(reasons.CLAIM_PENDING), claims={"photos": claim("Lost")}),
        ["  because the volume of the claim photos no longer exists", "    -> Restore"],
    ),
    "a claim that is being deleted": (
        evidence(stalled(reasons.CLAIM_PENDING), claims={"photos": claim("Bound", **AWAY)}),
        ["  because the claim photos is being deleted"],
    ),
    "a quota": (
        evidence(stalled(reasons.REJECTED, QUOTA)),
        [
            "Stalled (Rejected): pods",
            "  because the ResourceQuota compute allows requests.cpu=4; requests.cpu=3 is used, "
            "and requests.cpu=2 is asked for",
            "    -> End what you no longer need",
        ],
    ),
    "an image that is not there": (
        evidence(stalled(reasons.IMAGE_PULL_FAILED), waiting("ImagePullBackOff", PULL)),
        [
            "  because demo-worker-0-0: its image registry/trainer:1 cannot be pulled",
            "    because there is no such image",
            f"      | ImagePullBackOff: {PULL}",
            "      -> Correct spec.image, or push the image.",
        ],
    ),
    "a registry that wants credentials": (
        evidence(stalled(reasons.IMAGE_PULL_FAILED), waiting("ErrImagePull", "401 Unauthorized")),
        ["    because the registry does not let", "      -> Name a Secret with credentials"],
    ),
    "a container that cannot be created": (
        evidence(
            stalled(reasons.CONTAINER_CONFIG_ERROR),
            waiting("CreateContainerConfigError", "image will run as root"),
        ),
        ["  because demo-worker-0-0: its container cannot", "    | image will run as root"],
    ),
    "a volume that another node holds": (
        evidence(
            stalled(reasons.VOLUME_NOT_MOUNTED),
            pod(spec={"nodeName": "n1"}),
            events=[event("demo-worker-0-0", "FailedAttachVolume", "Multi-Attach error for x")],
        ),
        [
            "  because demo-worker-0-0: its volumes are not mounted",
            "    because another node still holds the volume",
        ],
    ),
    "a crash that is tried again, and its predecessor's last words": (
        evidence(
            job(waits(reasons.RESTARTING_WORKERS, "Worker 0 starts again.")),
            ended("worker-0", 0, 1, CRASH),
            pod("worker-0", 1, spec={"nodeName": "n1"}),
            logs={"demo-worker-0-0": ("Traceback", "RuntimeError: boom")},
        ),
        [
            "Pending (RestartingWorkers): Worker 0 starts again.",
            "  because demo-worker-0-1: it starts",
            "  because demo-worker-0-0: it ended with exit code 1",
            "    because WorkerCrashed: boom",
            "      | Traceback",
            "      | RuntimeError: boom",
            "      -> It is tried again by itself",
        ],
    ),
    "out of memory": (
        evidence(
            job(waits(reasons.RESTARTING_WORKERS)),
            ended("worker-1", 0, 137, reason="OOMKilled", **OOM),
        ),
        ["  because demo-worker-1-0: the kernel killed its container at its memory limit of 2Gi"],
    ),
    "a signal, and no word": (
        evidence(job(waits(reasons.RESTARTING_WORKERS)), ended("worker-1", 0, 139, "bye")),
        [
            "  because demo-worker-1-0: it ended with exit code 139 (SIGSEGV)",
            "    because it left no word of its own",
            "      | bye",
        ],
    ),
    "preempted": (
        evidence(
            job(waits(reasons.RESTARTING_WORKERS)), pod("worker-1", 0, PREEMPTED, phase="Failed")
        ),
        ["  because demo-worker-1-0: the cluster ended it (Preempted)", "    | preempted"],
    ),
    "evicted, without a condition": (
        evidence(
            job(waits(reasons.RESTARTING_WORKERS)),
            pod("worker-1", phase="Failed", reason="Evicted", message="The node was low."),
        ),
        ["  because demo-worker-1-0: the cluster ended it (Evicted)", "    | The node was low."],
    ),
    "more scratch space than allowed": (
        evidence(
            job(waits(reasons.RESTARTING_WORKERS)),
            pod("worker-1", phase="Failed", reason="Evicted", message="it exceeds the limit"),
        ),
        [
            "  because demo-worker-1-0: its node put it out.",
            "    | it exceeds",
            "    -> Raise resources",
        ],
    ),
    "a node that is away": (
        evidence(
            job(waits(reasons.PODS_STARTING)),
            pod(phase="Running", spec={"nodeName": "dead"}),
            nodes=[node("dead", "Unknown")],
        ),
        [
            "  because demo-worker-0-0: nothing is heard of it",
            "    because its node dead is not ready: NodeStatusUnknown",
            f"      {LOST}",
        ],
    ),
    "a pod that does not leave": (
        evidence(
            job(condition(reasons.SUSPENDED, reasons.JOB_SUSPENDED)),
            pod(phase="Running", spec={"nodeName": "dead"}, meta=AWAY),
            nodes=[node("dead", "False")],
        ),
        [
            "Suspended (JobSuspended): So.",
            '  -> `kubectl patch nerfjob demo --type merge -p \'{"spec":{"runPolicy":'
            '{"suspend":false}}}\'` lets it go on.',
            "  because demo-worker-0-0: it should be gone, and still ends",
            "    because its node dead is not ready",
        ],
    ),
    "workers that still warm up": (
        evidence(
            job(waits(reasons.PODS_STARTING)),
            pod(phase="Running", spec={"nodeName": "n1"}),
            logs={"demo-worker-0-0": ("compiling",)},
        ),
        ["  because demo-worker-0-0: it runs, and is not ready yet", "    | compiling"],
    ),
    "no scheduler": (
        evidence(job(waits(reasons.PODS_PENDING)), pod(spec={"schedulerName": "volcano"})),
        ["  because demo-worker-0-0: no scheduler has looked at it yet", "    -> Where that lasts"],
    ),
    "a gate": (
        evidence(
            job(waits(reasons.PODS_PENDING)), pod(spec={"schedulingGates": [{"name": "kueue"}]})
        ),
        ["  because demo-worker-0-0: it is held back by kueue"],
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_from_the_effect_to_the_cause(name: str) -> None:
    check(*CHAINS[name])
