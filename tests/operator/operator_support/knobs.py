"""A value that is not the default for every knob of the spec, and where its effect is seen."""

from collections.abc import Iterator
from typing import Any

Value = Any
_WEIGHT = {"weight": 5}
_AWAY = {"labelSelector": {"matchLabels": {"app": "loud"}}, "topologyKey": "kubernetes.io/hostname"}
_NODES = {"matchExpressions": [{"key": "gpu", "operator": "In", "values": ["h100"]}]}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_PODS = {REQUIRED: [_AWAY], PREFERRED: [_WEIGHT | {"podAffinityTerm": _AWAY}]}
AFFINITY = {
    "nodeAffinity": {
        REQUIRED: {"nodeSelectorTerms": [_NODES]},
        PREFERRED: [_WEIGHT | {"preference": _NODES}],
    },
    "podAffinity": _PODS,
    "podAntiAffinity": _PODS,
}
_AMOUNTS = {"cpu": "2", "memory": "3Gi", "ephemeral-storage": "4Gi"}
RESOURCES = {"requests": _AMOUNTS, "limits": _AMOUNTS}
TOLERATIONS = [
    {"key": "spot", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 60},
    {"key": "dedicated", "operator": "Exists"},
]
SPREAD = {"topologyKey": "zone", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"}

#: What the trainer is told in its config, under the same path: section -> values.
TRAINER: dict[str, Value] = {
    "dataset": {
        **{"path": "scene", "format": "blender", "downscale": 2},
        **{"holdoutEvery": 4, "waitSeconds": 60},
    },
    "dataset.archive": {
        **{"url": "https://example.com/a.zip", "sha256": "0" * 64, "maxGigabytes": 5},
    },
    "dataset.video": {"frames": 60},
    "poses": {
        **{"matching": "sequential", "maxImageSize": 1200},
        **{"maxFeatures": 4096, "sharedCamera": False},
    },
    "model": {
        **{"type": "mlp", "encoding": "frequency", "sampling": "proposal", "space": "unbounded"},
        **{"levels": 8, "log2TableSize": 14, "featuresPerLevel": 4, "baseResolution": 8},
        **{"finestResolution": 256, "hiddenWidth": 32, "sceneBound": 2.5},
        **{"occupancyResolution": 32, "background": "black"},
    },
    "training": {
        **{"steps": 300, "raysPerBatch": 4096, "raysPerChunk": 512, "samplesPerRay": 64},
        **{"keptSamplesPerRay": 16, "shards": 8, "learningRate": 0.25, "seed": 7},
        **{"precision": "bf16", "device": "cpu", "threads": 2, "determinism": "fast"},
        **{"compile": False, "evalEvery": 100, "targetPSNR": 30.5},
        "stages": [{"fromStep": 10, "downscale": 2, "samplesPerRay": 32, "detail": 50}],
    },
    "checkpoint": {"intervalSeconds": 60, "snapshotSeconds": 10, "keep": 5},
    "outputs": {
        "video": {"path": "spiral", "seconds": 3.5, "framesPerSecond": 24, "width": 480},
        "stills": {"count": 2},
        "mesh": {"resolution": 64, "density": 5.5},
        "points": {"count": 5000},
        "onnx": {"tolerance": 0.25},
        "report": {},
    },
}

#: What every worker's pod has: knob -> (its value, field of the pod, what it is or has in it).
PODS: dict[str, tuple[Value, str, Value]] = {
    "image": ("localhost/other:2", "spec.containers[].image", "localhost/other:2"),
    "imagePullSecrets": (["registry"], "spec.imagePullSecrets", {"name": "registry"}),
    "workers.gpusPerWorker": (1, "spec.containers[].resources.limits", {"nvidia.com/gpu": "1"}),
    "workers.processesPerWorker": (2, "spec.containers[].command", "--nproc-per-node=2"),
    "workers.resources": (RESOURCES, "spec.containers[].resources", RESOURCES),
    "workers.sharedMemory": (
        "3Gi",
        *("spec.volumes", {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "3Gi"}}),
    ),
    "workers.terminationGracePeriodSeconds": (90, "spec.terminationGracePeriodSeconds", 90),
    "workers.nodeSelector": ({"pool": "gpu"}, "spec.nodeSelector", {"pool": "gpu"}),
    "workers.affinity": (AFFINITY, "spec.affinity", AFFINITY),
    "workers.tolerations": (TOLERATIONS, "spec.tolerations", TOLERATIONS),
    "workers.topologySpreadConstraints": ([SPREAD], "spec.topologySpreadConstraints", SPREAD),
    "workers.priorityClassName": ("tests", "spec.priorityClassName", "tests"),
    "workers.runtimeClassName": ("tests", "spec.runtimeClassName", "tests"),
    "workers.schedulerName": ("volcano", "spec.schedulerName", "volcano"),
    "workers.labels": ({"team": "maps"}, "metadata.labels", {"team": "maps"}),
    "workers.annotations": ({"note": "42 b"}, "metadata.annotations", {"note": "42 b"}),
}

#: What shows elsewhere than in the workers' pods, in a test of test_knobs.py: knob -> value.
ELSEWHERE: dict[str, Value] = {
    "dataset.claimName": "others",
    "dataset.volume": {"size": "7Gi", "storageClassName": "fast"},
    "poses.resources": RESOURCES,
    "workers.replicas": 3,
    "workers.min": 1,
    "workers.max": 4,
    "checkpoint.volume": {"size": "7Gi", "storageClassName": "fast", "retentionPolicy": "Retain"},
    "checkpoint.volume.claimName": "others",
    "viewer": {"enabled": True, "resources": RESOURCES},
}

#: What does nothing to the pods of a job that goes on: knob -> (value, file and test that show it).
LIFE: dict[str, tuple[Value, str]] = {
    "runPolicy.suspend": (
        True,
        "test_run_policy.py::test_a_suspended_job_keeps_its_volumes_and_goes_on_later",
    ),
    "runPolicy.activeDeadlineSeconds": (1, "test_run_policy.py::test_a_deadline_ends_the_job"),
    "runPolicy.ttlSecondsAfterFinished": (
        3,
        "test_run_policy.py::"
        "test_a_finished_job_goes_with_its_children_but_not_with_the_users_volume",
    ),
    "runPolicy.backoffLimit": (0, "test_life.py::test_too_many_failures_end_the_job"),
    "runPolicy.cleanPodPolicy": (
        "All",
        "test_run_policy.py::test_pods_are_cleaned_up_as_asked_for",
    ),
    "scaling.policy": ("Auto", "test_auto.py::test_three_jobs_share_four_gpus"),
}


def rows() -> Iterator[tuple[str, Value]]:
    """All knobs that have a test, with their values."""
    yield from TRAINER.items()
    yield from ELSEWHERE.items()
    yield from ((path, value) for path, (value, *_) in PODS.items())
    yield from ((path, value) for path, (value, _) in LIFE.items())


def nest(path: str, value: Value) -> dict[str, Value]:
    """`{"a": {"b": value}}` for `a.b`."""
    for part in reversed(path.split(".")):
        value = {part: value}
    return value


def merge(one: dict[str, Value], other: dict[str, Value]) -> dict[str, Value]:
    """Both, section by section; where they differ, the other."""
    both = {
        key: merge(one[key], value)
        for key, value in other.items()
        if isinstance(value, dict) and isinstance(one.get(key), dict)
    }
    return one | other | both


def dig(found: Value, path: str) -> list[Value]:
    """All that lies at `a.b[].c`, of every element of a list."""
    whole, _, rest = path.partition(".")
    name, listed, _ = whole.partition("[]")
    if not isinstance(found, dict) or name not in found:
        return []
    inner = found[name] if listed else [found[name]]
    return [value for part in inner for value in dig(part, rest)] if rest else inner
