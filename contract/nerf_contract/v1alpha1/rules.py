"""CEL rules: (rule, message). The models enforce the same in Python, but for changes."""

from nerf_contract.training import CROSS_FIELD_RULES

Rule = tuple[str, str]


def _same(section: str, *fields: str) -> str:
    """Whether these fields of a section are as they were, absent ones too."""
    paths = [f"{section}.{field}" if section else field for field in fields]
    return " && ".join(
        f"has(self.{path}) == has(oldSelf.{path}) && "
        f"(!has(self.{path}) || self.{path} == oldSelf.{path})"
        for path in paths
    )


def _fixed(section: str, *fields: str) -> Rule:
    """Decided once for all pods of a job, and for what is on its volume."""
    return _same(section, *fields), f"{_told(section, fields)} cannot be changed: {_ANEW}"


def _fixed_while_active(section: str, *fields: str) -> Rule:
    """Told to each pod at its start: all pods of a job that is active must have been told alike."""
    rule = f"oldSelf.runPolicy.suspend || ({_same(section, *fields)})"
    return rule, f"{_told(section, fields)} can be changed only {_SUSPENDED}"


def _told(section: str, fields: tuple[str, ...]) -> str:
    *most, last = [f"{section}.{field}" if section else field for field in fields]
    return f"{', '.join(most)} and {last}" if most else last


_ANEW = "create the job again under another name"
_SUSPENDED = "while runPolicy.suspend is true"

_REPLICAS = "(has({0}.workers.replicas) ? {0}.workers.replicas : 1)"
_WANTED, _WANTED_BEFORE = _REPLICAS.format("self"), _REPLICAS.format("oldSelf")

#: What may change while a job is active: replicas (of an elastic job) and max of the workers,
#: runPolicy, outputs and viewer.
CHANGE_RULES: tuple[Rule, ...] = (
    _fixed("", "model"),
    _fixed("", "dataset"),
    _fixed("", "image"),
    _fixed("training", "determinism", "shards", "raysPerBatch", "precision", "seed"),
    _fixed("training", "samplesPerRay", "keptSamplesPerRay", "raysPerChunk", "stages"),
    _fixed("training", "learningRate"),
    _fixed("checkpoint.volume", "claimName", "size", "storageClassName"),
    (
        "self.checkpoint.volume.retentionPolicy == 'Retain' || "
        "oldSelf.checkpoint.volume.retentionPolicy == 'Delete'",
        "checkpoint.volume.retentionPolicy cannot go back to Delete: delete the claim yourself",
    ),
    (
        f"oldSelf.runPolicy.suspend || has(self.workers.min) || {_WANTED} == {_WANTED_BEFORE}",
        "workers.replicas of a job without workers.min can be changed only while "
        "runPolicy.suspend is true: workers.min, set at its creation, lets a job be scaled",
    ),
    _fixed_while_active("workers", "min"),
    _fixed_while_active("scaling", "policy"),
    _fixed_while_active("workers", "gpusPerWorker", "processesPerWorker", "resources"),
    _fixed_while_active("workers", "sharedMemory", "terminationGracePeriodSeconds"),
    _fixed_while_active("workers", "nodeSelector", "affinity", "tolerations"),
    _fixed_while_active("workers", "topologySpreadConstraints", "priorityClassName"),
    _fixed_while_active("workers", "runtimeClassName", "schedulerName", "labels", "annotations"),
    _fixed_while_active("", "imagePullSecrets", "poses"),
    _fixed_while_active("training", "steps", "evalEvery", "targetPSNR", "device", "threads"),
    _fixed_while_active("training", "compile"),
    _fixed_while_active("checkpoint", "intervalSeconds", "snapshotSeconds", "keep"),
)

WORKER_RULES: tuple[Rule, ...] = (
    (
        f"!has(self.workers.min) || self.scaling.policy == 'Auto' || self.workers.min <= {_WANTED}",
        "workers.min must not be greater than workers.replicas",
    ),
    (
        f"!has(self.workers.max) || {_WANTED} <= self.workers.max",
        "workers.replicas must not be greater than workers.max",
    ),
    (
        "!has(self.workers.min) || !has(self.workers.max) || self.workers.min <= self.workers.max",
        "workers.min must not be greater than workers.max",
    ),
    ("!has(self.workers.max) || has(self.workers.min)", "workers.max needs workers.min"),
    (
        f"(has(self.workers.max) ? self.workers.max : {_WANTED}) * "
        "(self.workers.gpusPerWorker > 0 ? self.workers.gpusPerWorker : "
        "has(self.workers.processesPerWorker) ? self.workers.processesPerWorker : 1) "
        "<= self.training.shards",
        "training.shards must be at least the largest number of worker processes (workers.max or "
        "workers.replicas, times workers.gpusPerWorker or workers.processesPerWorker)",
    ),
    (
        "!has(self.workers.processesPerWorker) || self.workers.gpusPerWorker == 0",
        "workers.processesPerWorker is for workers without GPUs: with workers.gpusPerWorker there "
        "is one process for each GPU",
    ),
)

#: The scale subresource writes workers.replicas, so that `kubectl scale` gets the first answer too.
SCALING_RULES: tuple[Rule, ...] = (
    (
        "self.scaling.policy != 'Auto' || !has(self.workers.replicas)",
        "workers.replicas must be absent with scaling.policy Auto, and such a job cannot be scaled "
        "by hand: the operator chooses its size from workers.min to workers.max. Change "
        "workers.max, or set scaling.policy to Fixed while runPolicy.suspend is true",
    ),
    (
        "self.scaling.policy != 'Auto' || (has(self.workers.min) && has(self.workers.max))",
        "scaling.policy Auto needs workers.min and workers.max, between which the operator chooses",
    ),
    (
        "self.scaling.policy != 'Auto' || self.workers.gpusPerWorker > 0",
        "scaling.policy Auto shares GPUs: set workers.gpusPerWorker to 1 or more",
    ),
)

#: Prefixes of labels and annotations that say what a pod is, or what it may do.
RESERVED_PREFIXES = (
    *("nerfops.dev/", "app.kubernetes.io/", "container.apparmor.security.beta.kubernetes.io/"),
    *("seccomp.security.alpha.kubernetes.io/", "container.seccomp.security.alpha.kubernetes.io/"),
)
SYSTEM_PRIORITY = "system-"


def _unreserved(field: str) -> Rule:
    reserved = " || ".join(f"key.startsWith('{prefix}')" for prefix in RESERVED_PREFIXES)
    rule = f"!has(self.workers.{field}) || !self.workers.{field}.exists(key, {reserved})"
    return rule, f"workers.{field} must not begin with {', '.join(RESERVED_PREFIXES)}"


POD_RULES: tuple[Rule, ...] = (
    _unreserved("labels"),
    _unreserved("annotations"),
    (
        "!has(self.workers.priorityClassName) || "
        f"!self.workers.priorityClassName.startsWith('{SYSTEM_PRIORITY}')",
        "workers.priorityClassName must not be one of the system's",
    ),
)

SPEC_RULES = (*WORKER_RULES, *SCALING_RULES, *POD_RULES, *CROSS_FIELD_RULES, *CHANGE_RULES)

#: The dataset's path lies in a volume that others may share.
DATASET_RULES: tuple[Rule, ...] = (
    ("!self.path.split('/').exists(part, part == '..')", "dataset.path must not contain '..'"),
    (
        "has(self.claimName) || has(self.archive)",
        "dataset needs a claimName (a volume with the photos), an archive, or both",
    ),
)
