"""Every field of the API is described, and has a line in the reference."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic.fields import FieldInfo

from nerf_contract.base import Model
from nerf_contract.v1alpha1 import NeRFJobSpec, NeRFJobStatus

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "api.md"


def model_in(annotation: Any) -> tuple[type[Model] | None, bool]:
    """The model that a field holds, if it holds one, and whether it holds a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation, False
    for part in get_args(annotation):
        found, listed = model_in(part)
        if found is not None:
            return found, listed or get_origin(annotation) is list
    return None, False


def walk(model: type[Model], path: str) -> Iterator[tuple[str, FieldInfo, type[Model] | None]]:
    """Every field below, with the path that users write and the model that it holds."""
    for field in model.model_fields.values():
        held, listed = model_in(field.annotation)
        here = f"{path}.{field.alias}{'[]' if listed else ''}"
        yield here, field, held
        if held is not None:
            yield from walk(held, here)


FIELDS = [*walk(NeRFJobSpec, "spec"), *walk(NeRFJobStatus, "status")]


@pytest.mark.parametrize(("path", "field", "held"), FIELDS, ids=[path for path, *_ in FIELDS])
def test_a_field_says_what_it_means(path: str, field: FieldInfo, held: type[Model] | None) -> None:
    """A section may leave that to its model."""
    assert field.description or (held is not None and held.__doc__)


def test_every_field_has_a_line_in_the_reference_or_its_own_fields_have() -> None:
    lines = REFERENCE.read_text().splitlines()
    told = [line.split("`")[1] for line in lines if line.startswith(("| `spec.", "| `status."))]
    lacking = [
        path
        for path, *_ in FIELDS
        if not any(line == path or line.startswith(f"{path}.") for line in told)
    ]
    assert lacking == []


def test_every_line_of_the_reference_says_what_it_means() -> None:
    rows = [line for line in REFERENCE.read_text().splitlines() if line.startswith("| `")]
    assert [row for row in rows if row.endswith("|  |")] == []
