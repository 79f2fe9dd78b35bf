"""The status of a NeRFJob, which another version may have written."""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from nerf_contract.v1alpha1 import NeRFJobStatus

Object = dict[str, Any]
Path = tuple[str | int, ...]

#: Of a status, as this version knows it.
_SECTIONS = frozenset(f.alias or name for name, f in NeRFJobStatus.model_fields.items())
#: What pydantic calls a field that the models do not have.
_UNKNOWN = "extra_forbidden"


def known(data: Object) -> NeRFJobStatus:
    """A status, less the fields that only another version knows, and less the sections, or items of
    a list, that make no sense even so: without the rest an ended job would begin again."""
    try:
        return NeRFJobStatus.model_validate(data)
    except ValidationError as error:
        left = _without(data, (e["loc"] for e in error.errors() if e["type"] == _UNKNOWN))
    try:
        return NeRFJobStatus.model_validate(left)
    except ValidationError as error:
        return NeRFJobStatus.model_validate(_without(left, _broken(error)))


def unknown(data: Object) -> Object:
    """The sections of a status that only another version knows."""
    return {key: value for key, value in data.items() if key not in _SECTIONS}


def _broken(error: ValidationError) -> set[Path]:
    """Sections that are not valid; of those that are lists, items."""
    paths = [e["loc"][:2] for e in error.errors()]
    return {path if isinstance(path[-1], int) else path[:1] for path in paths}


def _without(data: Object, paths: Iterable[Path]) -> Object:
    """The data without what is at these paths."""
    left = deepcopy(data)
    for *path, last in sorted(paths, reverse=True):  # Of a list the last item first.
        section: Any = left
        for step in path:
            section = section[step]
        del section[last]
    return left
