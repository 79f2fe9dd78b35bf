"""CEL rules: what a spec may say. The models enforce the same in Python.

Each stands at the section that it is about: the API server evaluates it at every write, and the way
from the spec to a field of a section costs it twice as much.
"""

from collections.abc import Mapping

from nerf_contract.training import MODEL_RULES, TRAINING_RULES

#: (rule, message), and an expression for the message where it depends on the change.
Rule = tuple[str, str] | tuple[str, str, str]


def replicas(workers: str) -> str:
    """How many workers the section at that path asks for."""
    return f"(has({workers}.replicas) ? {workers}.replicas : 1)"


_WORKERS_RULES: tuple[Rule, ...] = (
    (
        f"!has(self.max) || {replicas('self')} <= self.max",
        "workers.replicas must not be greater than workers.max",
    ),
    (
        "!has(self.min) || !has(self.max) || self.min <= self.max",
        "workers.min must not be greater than workers.max",
    ),
    ("!has(self.max) || has(self.min)", "workers.max needs workers.min"),
    (
        "!has(self.processesPerWorker) || self.gpusPerWorker == 0",
        "workers.processesPerWorker is for workers without GPUs: with workers.gpusPerWorker there "
        "is one process for each GPU",
    ),
)

_WANTED = replicas("self.workers")

_SIZE_RULES: tuple[Rule, ...] = (
    (
        f"!has(self.workers.min) || self.scaling.policy == 'Auto' || self.workers.min <= {_WANTED}",
        "workers.min must not be greater than workers.replicas",
    ),
    (
        f"(has(self.workers.max) ? self.workers.max : {_WANTED}) * "
        "(self.workers.gpusPerWorker > 0 ? self.workers.gpusPerWorker : "
        "has(self.workers.processesPerWorker) ? self.workers.processesPerWorker : 1) "
        "<= self.training.shards",
        "training.shards must be at least the largest number of worker processes (workers.max or "
        "workers.replicas, times workers.gpusPerWorker or workers.processesPerWorker)",
    ),
)

#: The scale subresource writes workers.replicas, so that `kubectl scale` gets the first answer too.
_SCALING_RULES: tuple[Rule, ...] = (
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
    rule = f"!has(self.{field}) || !self.{field}.exists(key, {reserved})"
    return rule, f"workers.{field} must not begin with {', '.join(RESERVED_PREFIXES)}"


_POD_RULES: tuple[Rule, ...] = (
    _unreserved("labels"),
    _unreserved("annotations"),
    (
        f"!has(self.priorityClassName) || !self.priorityClassName.startsWith('{SYSTEM_PRIORITY}')",
        "workers.priorityClassName must not be one of the system's",
    ),
)

#: The dataset's path lies in a volume that others may share.
_DATASET_RULES: tuple[Rule, ...] = (
    ("!self.path.split('/').exists(part, part == '..')", "dataset.path must not contain '..'"),
    (
        "has(self.claimName) || has(self.archive)",
        "dataset needs a claimName (a volume with the photos), an archive, or both",
    ),
)

#: What sections of a spec ask of each other.
SPEC_RULES = (*_SIZE_RULES, *_SCALING_RULES)
#: What a section asks of itself, by its name.
SECTION_RULES: Mapping[str, tuple[Rule, ...]] = {
    "dataset": _DATASET_RULES,
    "model": MODEL_RULES,
    "training": TRAINING_RULES,
    "workers": (*_WORKERS_RULES, *_POD_RULES),
}
