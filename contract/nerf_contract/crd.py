"""The CustomResourceDefinition, made from the models."""

from typing import Any

import yaml
from pydantic import BaseModel

from nerf_contract import names
from nerf_contract.v1alpha1 import (
    CHANGE_RULE,
    SECTION_RULES,
    SPEC_RULES,
    NeRFJobSpec,
    NeRFJobStatus,
)
from nerf_contract.v1alpha1.rules import Rule

Schema = dict[str, Any]

COLUMNS = (
    ("Phase", "string", ".status.phase", 0),
    ("Step", "integer", ".status.progress.step", 0),
    ("%", "integer", ".status.progress.percent", 0),
    ("PSNR", "number", ".status.progress.psnr", 0),
    ("Rays/s", "integer", ".status.progress.raysPerSecond", 0),
    ("Workers", "string", ".status.workers.summary", 0),
    ("ETA", "string", ".status.progress.eta", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Restarts", "integer", ".status.restarts", 1),
    ("Image", "string", ".status.image", 1),
)


def structural(model: type[BaseModel]) -> Schema:
    """The model's JSON schema as a structural one: inlined, typed, without titles."""
    schema = model.model_json_schema(by_alias=True)
    return _convert(schema, schema.get("$defs", {}))


def _convert(node: Schema, defs: dict[str, Schema]) -> Schema:
    node = _inline(node, defs)
    kept = {key: _without_nulls(node[key]) for key in _COPIED if key in node}
    if "exclusiveMinimum" in node:
        kept |= {"minimum": node["exclusiveMinimum"], "exclusiveMinimum": True}
    if "const" in node:
        kept["enum"] = [node["const"]]
    if isinstance(node.get("additionalProperties"), dict):
        kept["additionalProperties"] = _convert(node["additionalProperties"], defs)
    if "properties" in node:
        kept["properties"] = {k: _convert(v, defs) for k, v in node["properties"].items()}
    if "items" in node:
        kept["items"] = _convert(node["items"], defs)
    return kept


_COPIED = (
    *("type", "description", "default", "enum", "minimum", "maximum", "pattern", "required"),
    *("minLength", "maxLength", "minItems", "maxItems", "maxProperties"),
)


def _without_nulls(value: Any) -> Any:
    """The API server rejects a default that holds nulls; an absent key says the same."""
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return value


def _inline(node: Schema, defs: dict[str, Schema]) -> Schema:
    """Resolve `$ref`, and `X | None`, which a structural schema says by mere absence."""
    if "$ref" in node:
        target = defs[node["$ref"].rsplit("/", 1)[-1]]
        return _inline(target, defs) | {k: v for k, v in node.items() if k != "$ref"}
    options = [option for option in node.get("anyOf", []) if option != {"type": "null"}]
    if len(options) == 1:
        outer = {k: v for k, v in node.items() if k not in ("anyOf", "default")}
        return _inline(options[0], defs) | outer
    return node


def spec_schema() -> Schema:
    """Schema of `.spec`, with defaults for every section and the CEL rules."""
    schema = structural(NeRFJobSpec)
    for section, rules in SECTION_RULES.items():
        schema["properties"][section]["x-kubernetes-validations"] = _rules(rules)
    schema["x-kubernetes-validations"] = _rules(SPEC_RULES)
    return schema


def status_schema() -> Schema:
    """Schema of `.status`; conditions are a map by type.

    A condition, and a section, has one owner, not one for each field: who owns them was a third of
    a job, and the API server reads and writes that several times a write.
    """
    schema = structural(NeRFJobStatus)
    conditions = schema["properties"]["conditions"]
    conditions |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    sections = (one for one in schema["properties"].values() if one["type"] == "object")
    for whole in (conditions["items"], *sections):
        whole["x-kubernetes-map-type"] = "atomic"
    for field in ("conditions", "outputs", "restarts"):
        schema["properties"][field].pop("default", None)
    return schema


def root_rules() -> list[Schema]:
    """CEL rules over the whole resource; that on changes is about the spec."""
    [changes] = _rules((CHANGE_RULE,))
    return [*_rules(NAME_RULES), changes | {"fieldPath": ".spec"}]


def _rules(rules: tuple[Rule, ...]) -> list[Schema]:
    keys = ("rule", "message", "messageExpression")
    return [dict(zip(keys, rule, strict=False)) for rule in rules]


def crd() -> Schema:
    """The whole CustomResourceDefinition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names.PLURAL}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": names.PLURAL,
                "singular": names.SINGULAR,
                "shortNames": [names.SHORT_NAME],
                "categories": [names.CATEGORY],
            },
            "versions": [_version()],
        },
    }


def _version() -> Schema:
    columns = [
        {"name": name, "type": type_, "jsonPath": path, "priority": priority}
        for name, type_, path, priority in COLUMNS
    ]
    return {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": columns,
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.workers.replicas",
                "statusReplicasPath": ".status.workers.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "description": "A NeRF to train: photos in, a scene out.",
                "required": ["spec"],
                "x-kubernetes-validations": root_rules(),
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    # Names become labels of the pods and part of their names.
                    "metadata": {"type": "object", "properties": {"name": _NAME_SCHEMA}},
                    "spec": spec_schema(),
                    "status": status_schema(),
                },
            }
        },
    }


#: A job and the viewer of another one would have one Service.
NAME_RULES: tuple[Rule, ...] = (
    ("!self.metadata.name.endsWith('-viewer')", "metadata.name must not end with -viewer"),
)
_NAME_SCHEMA: Schema = {
    "type": "string",
    "maxLength": 42,
    "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$",
}


def to_yaml() -> str:
    """The CRD as a YAML document."""
    return yaml.safe_dump(crd(), sort_keys=False, width=100)
