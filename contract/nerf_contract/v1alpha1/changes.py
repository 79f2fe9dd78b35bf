"""Which field of a spec may change when: CEL rules, and what the reference says of it."""

import json
from typing import Final

from nerf_contract.v1alpha1.rules import Rule, replicas

Fields = dict[str, tuple[str, ...]]

#: Decided once for all pods of a job, and for what is on its volume. Section -> fields.
_FIXED: Final[Fields] = {
    "": ("model", "dataset", "image"),
    "training": (
        *("determinism", "shards", "raysPerBatch", "precision", "seed", "samplesPerRay"),
        *("keptSamplesPerRay", "raysPerChunk", "stages", "learningRate"),
    ),
    "checkpoint.volume": ("claimName", "size", "storageClassName"),
}
#: Told to each pod at its start: all pods of a job that is active must have been told alike.
_WHILE_SUSPENDED: Final[Fields] = {
    "workers": (
        *("min", "gpusPerWorker", "processesPerWorker", "resources", "sharedMemory"),
        *("terminationGracePeriodSeconds", "nodeSelector", "affinity", "tolerations"),
        *("topologySpreadConstraints", "priorityClassName", "runtimeClassName", "schedulerName"),
        *("labels", "annotations"),
    ),
    "scaling": ("policy",),
    "": ("imagePullSecrets", "poses"),
    "training": ("steps", "evalEvery", "targetPSNR", "device", "threads", "compile"),
    "checkpoint": ("intervalSeconds", "snapshotSeconds", "keep"),
}
#: Field or section -> when it may change, where none of the above says it.
_OTHERS: Final = {
    "workers.replicas": "with `workers.min` always, else suspended",
    "workers.max": "always",
    "checkpoint.volume.retentionPolicy": "to `Retain`",
    "outputs": "until trained",
    "viewer.enabled": "always",
    "viewer.resources": "suspended, or with `viewer.enabled` false before or after",
    "runPolicy": "always",
}
#: What the words of `when` mean.
MEANING: Final = (
    "`always` is also after the end; `suspended` is while `runPolicy.suspend` is true, and in the "
    "update that ends it; what may change `until trained`, and all of `spec.training`, stays as it "
    "is once the condition `Trained` or `Failed` is true."
)


def table() -> dict[str, str]:
    """Field or section -> when it may change. No two of them lie in each other."""
    fixed = {_path(s, name): "never" for s, names in _FIXED.items() for name in names}
    rests = {_path(s, name): "suspended" for s, names in _WHILE_SUSPENDED.items() for name in names}
    return fixed | rests | _OTHERS


def when(path: str) -> str:
    """When the field may change; `path` as in `workers.min`. Raises ValueError where nobody has
    said so, or more than once."""
    found = [told for known, told in table().items() if within(path, known)]
    if len(found) != 1:
        raise ValueError(f"{path}: {len(found)} rows say when it may change, not one")
    return found[0]


def within(path: str, section: str) -> bool:
    """Whether the field lies in the section, or is it."""
    return path == section or path.startswith((f"{section}.", f"{section}[]"))


def _path(section: str, name: str) -> str:
    return f"{section}.{name}" if section else name


# --- As CEL --------------------------------------------------------------------------------------


def _same(path: str) -> str:
    """Whether a field of the spec is as it was, or as absent as it was."""
    now, old = f"self.spec.{path}", f"oldSelf.spec.{path}"
    return f"has({now}) == has({old}) && (!has({now}) || {now} == {old})"


def _fixed(section: str, fields: tuple[str, ...]) -> Rule:
    return _unchanged(section, fields, "cannot be changed: create the job again under another name")


def _fixed_while_active(section: str, fields: tuple[str, ...]) -> Rule:
    why = "can be changed only while runPolicy.suspend is true"
    rule, message, expression = _unchanged(section, fields, why)
    return f"{_SUSPENDED} || {rule}", message, expression


_SUSPENDED = "oldSelf.spec.runPolicy.suspend"


def _unchanged(section: str, fields: tuple[str, ...], why: str) -> tuple[str, str, str]:
    """One rule for many fields: a section that is as it was is the usual case.

    The message names the first of the fields that were changed."""
    paths = [_path(section, field) for field in fields]
    each = " && ".join(f"({_same(path)})" for path in paths)
    whole = f"self.spec.{section} == oldSelf.spec.{section}"
    rule = f"{whole} || ({each})" if section else each
    *most, last = paths
    blamed = "".join(f"!({_same(path)}) ? '{path}' : " for path in most) + f"'{last}'"
    return rule, f"{', '.join(paths)} {why}", f"({blamed}) + ' {why}'"


_CHANGES: tuple[Rule, ...] = (
    *(_fixed(section, fields) for section, fields in _FIXED.items()),
    (
        "self.spec.checkpoint.volume.retentionPolicy == 'Retain' || "
        "oldSelf.spec.checkpoint.volume.retentionPolicy == 'Delete'",
        "checkpoint.volume.retentionPolicy cannot go back to Delete: delete the claim yourself",
    ),
    (
        f"{_SUSPENDED} || has(self.spec.workers.min) || "
        f"{replicas('self.spec.workers')} == {replicas('oldSelf.spec.workers')}",
        "workers.replicas of a job without workers.min can be changed only while "
        "runPolicy.suspend is true: workers.min, set at its creation, lets a job be scaled",
    ),
    *(_fixed_while_active(section, fields) for section, fields in _WHILE_SUSPENDED.items()),
    (
        f"{_SUSPENDED} || !oldSelf.spec.viewer.enabled || !self.spec.viewer.enabled || "
        f"({_same('viewer.resources')})",
        "viewer.resources can be changed only while viewer.enabled is false, in the update that "
        "makes it so, or while runPolicy.suspend is true: its pod is not made again for them",
    ),
)

_ENDED = (
    "has(self.status) && has(self.status.conditions) && self.status.conditions.exists(c, "
    "c.status == 'True' && (c.type == 'Trained' || c.type == 'Failed'))"
)

#: Nobody would look at what is asked for too late.
_AT_THE_END: tuple[Rule, ...] = tuple(
    (
        f"({_same(section)}) || !({_ENDED})",
        f"{section} cannot be changed once the training has ended, well or not: set "
        "checkpoint.volume.retentionPolicy to Retain, delete the job and create it again under its "
        "name, and it goes on from its last checkpoint",
    )
    for section in ("training", "outputs")
)

#: Over the whole resource, each by itself.
CHANGE_RULES: tuple[Rule, ...] = (*_CHANGES, *_AT_THE_END)

#: A write of the status changes no spec, and one of the spec no status: the API server sees to it.
#: It evaluates all rules at both, and to compare a section costs it more than all else of a write.
_STATUS_WRITTEN = (
    "has(self.status) && (!has(oldSelf.status) || "
    "has(self.status.phase) && has(oldSelf.status.phase) && "
    "self.status.phase != oldSelf.status.phase || "
    "has(self.status.progress) && has(oldSelf.status.progress) && "
    "self.status.progress.step != oldSelf.status.progress.step)"
)


def _as_one(rules: tuple[Rule, ...]) -> Rule:
    """One rule whose message is that of all that are broken: the status is looked at only once."""
    each = " && ".join(f"({rule})" for rule, *_ in rules)
    told = " + ".join(f"(({rule}) ? '' : {_telling(*words)} + '. ')" for rule, *words in rules)
    return f"{_STATUS_WRITTEN} || ({each})", "a field was changed that cannot be changed now", told


def _telling(message: str, expression: str = "") -> str:
    return f"({expression})" if expression else json.dumps(message)


CHANGE_RULE: Rule = _as_one(CHANGE_RULES)
