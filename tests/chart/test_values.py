"""Values: each is described and typed; wrong ones are refused in words that help."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from operator_support.chart import CHART, ChartError, template

Schema = dict[str, Any]
SCHEMA: Schema = json.loads((CHART / "values.schema.json").read_text())

#: What is set, and what the message must name: where, and what is wrong or wanted.
WRONG = [
    ("image.registri=a", "additional properties 'registri' not allowed"),
    ("replicaCount=2", "additional properties 'replicaCount' not allowed"),
    ("replicas=0", "at '/replicas': minimum: got 0, want 1"),
    ("replicas=9", "at '/replicas': maximum: got 9, want 5"),
    ("replicas=two", "at '/replicas': got string, want integer"),
    ("image=nerf-operator:dev", "at '/image': got string, want object"),
    ("image=null", "missing property 'image'"),
    ("image.tag=1", "at '/image/tag': got number, want string"),
    ("image.tag=", "at '/image/tag': '' does not match pattern"),
    ("image.digest=sha256:12ab", "at '/image/digest': 'sha256:12ab' does not match pattern"),
    ("image.pullPolicy=always", "value must be one of 'Always', 'IfNotPresent', 'Never'"),
    ("image.repository=Nerf", "at '/image/repository': 'Nerf' does not match pattern"),
    ("image.registry=https://r.example/me", "without a scheme: write r.example/me"),
    ("image.registry=r.example/me/", "must not end with a slash: write r.example/me"),
    ("image.registry=r example", "image.registry must be like registry.example.com:5000/me"),
    ("trainerImage=nerf trainer", "at '/trainerImage': 'nerf trainer' does not match pattern"),
    ("watchNamespaces=lab", "at '/watchNamespaces': got string, want array"),
    ("watchNamespaces={Lab}", "at '/watchNamespaces/0': 'Lab' does not match pattern"),
    ("watchNamespaces={lab,lab}", "at '/watchNamespaces': items at 0 and 1 are equal"),
    ("logLevel=verbose", "value must be one of 'debug', 'info', 'warning', 'error'"),
    ("crds.install=yes", "at '/crds/install': got string, want boolean"),
    ("imagePullSecrets={registry}", "at '/imagePullSecrets/0': got string, want object"),
    ("resources.limits.gpu=1", "value must be one of 'cpu', 'memory', 'ephemeral-storage'"),
    ("resources.limits.memory=1GB", "at '/resources/limits/memory': '1GB' does not match pattern"),
    ("tolerations[0].effect=NoRun", "at '/tolerations/0/effect'"),
    ("affinity.nodes.a=b", "at '/affinity': additional properties 'nodes' not allowed"),
    ("metrics.podMonitor.interval=15", "at '/metrics/podMonitor/interval': got number"),
    ("networkPolicy.apiServerPorts={70000}", "maximum: got 70,000, want 65,535"),
    ("networkPolicy.apiServerPorts=null", "missing property 'apiServerPorts'"),
    ("networkPolicy.metricsFrom[0].namespace=m", "additional properties 'namespace' not allowed"),
    ("serviceAccount.create=false", "serviceAccount.name must say whom the operator is"),
    ("fullnameOverride=7", "at '/fullnameOverride': got number, want string"),
    ("podLabels.team=a b", "at '/podLabels/team': 'a b' does not match pattern"),
]


@pytest.mark.parametrize(("value", "message"), WRONG, ids=[value for value, _ in WRONG])
def test_a_wrong_value_is_refused_in_words_that_help(value: str, message: str) -> None:
    with pytest.raises(ChartError) as refused:
        template(f"--set={value}")
    assert message in str(refused.value)


def test_every_value_is_typed_and_described_and_no_other_is_taken() -> None:
    found = dict(_properties(SCHEMA, ""))
    assert len(found) > 50
    for path, schema in found.items():
        assert {"type", "anyOf", "enum", "const"} & set(schema), path
        assert len(schema.get("description", "")) > 5, path
    closed = [p for p, schema in found.items() if "properties" in schema]
    assert {"image", "metrics.podMonitor", "tolerations[]"} <= set(closed)
    assert all(found[path]["additionalProperties"] is False for path in closed)
    assert SCHEMA["additionalProperties"] is False


def test_values_of_a_parent_chart_are_taken() -> None:
    assert template("--set=global.imageRegistry=r.example")


def _properties(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Every property below with its schema, references resolved."""
    for name, child in schema.get("properties", {}).items():
        whole = _resolved(child)
        yield f"{path}{name}", whole
        yield from _properties(whole, f"{path}{name}.")
        if "items" in whole:
            item = _resolved(whole["items"])
            if "properties" in item:
                yield f"{path}{name}[]", item
            yield from _properties(item, f"{path}{name}[].")


def _resolved(schema: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    target: Schema = SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    return target | {key: value for key, value in schema.items() if key != "$ref"}
