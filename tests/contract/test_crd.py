"""The CRD that is made from the models is one that Kubernetes accepts."""

from collections.abc import Iterator
from typing import Any

import pytest

from nerf_contract.crd import crd, spec_schema, status_schema


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema below, with its path."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from nodes(schema[key], f"{path}.{key}")


ALL = [*nodes(spec_schema(), "spec"), *nodes(status_schema(), "status")]


@pytest.mark.parametrize(("path", "node"), ALL, ids=[path for path, _ in ALL])
def test_structural(path: str, node: dict[str, Any]) -> None:
    assert node.get("type") in {"object", "array", "string", "integer", "number", "boolean"}
    assert not {"$ref", "anyOf", "allOf", "title", "const", "propertyNames"} & set(node)


def test_strings_and_lists_that_rules_read_are_bounded() -> None:
    path = spec_schema()["properties"]["dataset"]["properties"]["path"]
    assert path["maxLength"] <= 1024


def test_scale_paths_exist_in_the_schema() -> None:
    version = crd()["spec"]["versions"][0]
    root = version["schema"]["openAPIV3Schema"]
    for path in version["subresources"]["scale"].values():
        node = root
        for part in path.strip(".").split("."):
            node = node["properties"][part]


def test_printer_columns_exist_in_the_schema() -> None:
    version = crd()["spec"]["versions"][0]
    for column in version["additionalPrinterColumns"]:
        node = version["schema"]["openAPIV3Schema"]
        if column["jsonPath"].startswith(".metadata"):
            continue
        for part in column["jsonPath"].strip(".").split("."):
            node = node["properties"][part]
        assert node["type"] == column["type"]
