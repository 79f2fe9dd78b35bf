"""Of every field of a spec it is said when it may change."""

import pytest

from generate import reference
from nerf_contract import crd
from nerf_contract.v1alpha1 import changes

SPEC = crd.spec_schema()
FIELDS = [path.removeprefix("spec.") for path, *_ in reference.fields(SPEC, "spec")]


def test_every_field_may_change_at_a_time_that_is_told_once() -> None:
    told = {path: changes.when(path) for path in FIELDS}
    assert told["model.levels"] == told["dataset.archive.url"] == "never"
    assert told["workers.tolerations[].key"] == "suspended"
    assert told["runPolicy.suspend"] == "always"


@pytest.mark.parametrize("path", ["", "workers", "workers.minimum", "training.stepz"])
def test_a_field_that_nobody_has_thought_of_is_none_that_may_change(path: str) -> None:
    with pytest.raises(ValueError, match="when it may change"):
        changes.when(path)


def test_rules_are_about_fields_that_exist() -> None:
    """The API server would refuse the CRD; this names the field."""
    for row in changes.table():
        assert any(changes.within(field, row) for field in FIELDS), row
