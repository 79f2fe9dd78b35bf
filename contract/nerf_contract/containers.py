"""Which container of a job's pod is ours. Standard library only."""

from collections.abc import Sequence
from typing import Any

from nerf_contract import names

Object = dict[str, Any]
#: What it is called: a pod has one of them.
_NAMES = (names.CONTAINER_TRAINER, names.COMPONENT_COORDINATOR)


def ours(containers: Sequence[Object]) -> Object:
    """Of containers, or their statuses, ours; {} where it is not there.

    Admission may put others beside it, and a kubelet sorts statuses by name.
    """
    found = [one for one in containers if one.get("name") in _NAMES]
    return next(iter(found or (containers if len(containers) == 1 else ())), {})
