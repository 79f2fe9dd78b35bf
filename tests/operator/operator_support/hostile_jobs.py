"""NeRFJobs that mean harm or make no sense: some for every field of the spec, and for fields of a
pod that a job may not choose."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

from generate import reference
from nerf_contract import crd
from operator_support.cluster import Object
from operator_support.knobs import merge

BASE: Object = {"dataset": {"claimName": "photos", "format": "nerfstudio"}, "workers": {}}
_TEXTS = cycle(
    (
        *("$(NERF_COORDINATOR)", "../../etc/passwd", "/etc/shadow", "--init=/bin/sh", "a\nb: c"),
        *("'; rm -rf / #", "\u202egpj.exe", "x" * 5000, "é" * 100, "\0", "${HOME}", "%s%n"),
    )
)
_BY_TYPE: dict[str, tuple[Any, ...]] = {
    "integer": (-1, 0, 2**31, 2**63 - 1, 1.5),
    "number": (-1, 1e-300, 1e300),
    "boolean": ("yes", 1),
    "array": ("", [None], [{"a": 1}], ["x"] * 1000),
    "object": (
        None,
        [],
        {"hostPath": {"path": "/"}},
        {"k" * 400: "v"},
        {f"k{i}": "" for i in range(99)},
    ),
}
#: What is in a pod, and would let its owner out of it.
ESCAPES: Object = {
    "hostNetwork": True,
    "hostPID": True,
    "hostIPC": True,
    "serviceAccountName": "admin",
    "automountServiceAccountToken": True,
    "nodeName": "node-1",
    "securityContext": {"privileged": True},
    "volumes": [{"name": "root", "hostPath": {"path": "/"}}],
    "volumeMounts": [{"name": "root", "mountPath": "/host"}],
    "initContainers": [{"name": "sh", "image": "busybox", "command": ["sh"]}],
    "containers": [{"name": "sh", "image": "busybox"}],
    "env": [{"name": "LD_PRELOAD", "value": "/data/evil.so"}],
    "envFrom": [{"secretRef": {"name": "admin"}}],
    "command": ["sh", "-c", "id"],
    "template": {"spec": {"hostNetwork": True}},
}
SECTIONS = ("", "workers", "dataset", "poses", "viewer", "checkpoint")


def specs() -> Iterator[tuple[str, Object]]:
    """What is wrong with it, and the spec."""
    for path, schema, _ in reference.fields(crd.spec_schema(), "spec"):
        for value in _odd(schema):
            told = f"{path} = {str(value)[:40]!r}"
            yield told, merge(BASE, _nest(path.removeprefix("spec."), value))
    for section in SECTIONS:
        for field, value in ESCAPES.items():
            path = f"{section}.{field}" if section else field
            yield f"spec.{path}", merge(BASE, _nest(path, value))


def _odd(schema: Object) -> tuple[Any, ...]:
    if schema["type"] == "string":
        return (next(_TEXTS), next(_TEXTS), 7)
    return _BY_TYPE[schema["type"]]


def _nest(path: str, value: Any) -> Object:
    """`{"a": [{"b": value}]}` for `a[].b`."""
    for part in reversed(path.split(".")):
        name, listed, _ = part.partition("[]")
        value = {name: [value] if listed else value}
    found: Object = value
    return found
