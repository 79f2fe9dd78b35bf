"""CEL rules: (rule, message), and an expression for the message where it depends on the change.

The models enforce the same in Python, but for changes.
"""

from nerf_contract.training import CROSS_FIELD_RULES

Rule = tuple[str, str] | tuple[str, str, str]


def _same(path: str) -> str:
    """Whether a field is as it was, or as absent as it was."""
    return (
        f"has(self.{path}) == has(oldSelf.{path}) && "
        f"(!has(self.{path}) || self.{path} == oldSelf.{path})"
    )


def _fixed(section: str, *fields: str) -> Rule:
    """Decided once for all pods of a job, and for what is on its volume."""
    return _unchanged(section, fields, "cannot be changed: create the job again under another name")


def _fixed_while_active(section: str, *fields: str) -> Rule:
    """Told to each pod at its start: all pods of a job that is active must have been told alike."""
    why = "can be changed only while runPolicy.suspend is true"
    rule, message, expression = _unchanged(section, fields, why)
    return f"oldSelf.runPolicy.suspend || {rule}", message, expression


def _unchanged(section: str, fields: tuple[str, ...], why: str) -> tuple[str, str, str]:
    """One rule for many fields: each status write evaluates all rules, and a section that is as it
    was is the usual case. The message names the first of the fields that were changed."""
    paths = [f"{section}.{field}" if section else field for field in fields]
    each = " && ".join(f"({_same(path)})" for path in paths)
    rule = f"self.{section} == oldSelf.{section} || ({each})" if section else each
    *most, last = paths
    blamed = "".join(f"!({_same(path)}) ? '{path}' : " for path in most) + f"'{last}'"
    return rule, f"{', '.join(paths)} {why}", f"({blamed}) + ' {why}'"


_REPLICAS = "(has({0}.workers.replicas) ? {0}.workers.replicas : 1)"
_WANTED, _WANTED_BEFORE = _REPLICAS.format("self"), _REPLICAS.format("oldSelf")

#: What may change while a job is active: replicas (of an elastic job) and max of the workers,
#: runPolicy, outputs and viewer.
CHANGE_RULES: tuple[Rule, ...] = (
    _fixed("", "model", "dataset", "image"),
    _fixed(
        "training",
        *("determinism", "shards", "raysPerBatch", "precision", "seed", "samplesPerRay"),
        *("keptSamplesPerRay", "raysPerChunk", "stages", "learningRate"),
    ),
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
    _fixed_while_active(
        "workers",
        *("min", "gpusPerWorker", "processesPerWorker", "resources", "sharedMemory"),
        *("terminationGracePeriodSeconds", "nodeSelector", "affinity", "tolerations"),
        *("topologySpreadConstraints", "priorityClassName", "runtimeClassName", "schedulerName"),
        *("labels", "annotations"),
    ),
    _fixed_while_active("scaling", "policy"),
    _fixed_while_active("", "imagePullSecrets", "poses"),
    _fixed_while_active(
        "training", "steps", "evalEvery", "targetPSNR", "device", "threads", "compile"
    ),
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
