"""The operator's rights are the least: each is used, so that without it something fails."""

from collections import defaultdict
from collections.abc import Iterable

import pytest
from operator_support import life
from operator_support.apiserver import wait_until
from operator_support.cluster import Namespace
from operator_support.proxy import Answered
from operator_support.stage import Stage

from nerf_operator.cluster.api import PERMISSIONS

pytestmark = pytest.mark.usefixtures("alone")
Rights = dict[tuple[str, str], set[str]]
_VERBS = {"POST": ("create",), "DELETE": ("delete",), "PATCH": ("patch",), "PUT": ("update",)}


def used(calls: Iterable[Answered]) -> Rights:
    """(group, resource) -> verbs that the calls needed."""
    found: Rights = defaultdict(set)
    for one in calls:
        if one.code < 400 and (target := _target(one.call.path)) is not None:
            resource, named = target
            verbs = _VERBS.get(one.call.method)
            if verbs is None:
                verbs = ("watch",) if one.call.watches else ("get" if named else "list",)
            found[resource].update(verbs)
    return dict(found)


def _target(path: str) -> tuple[tuple[str, str], bool] | None:
    """(group, resource), and whether one object is named; None for what is no resource."""
    match path.strip("/").split("/"):
        case ["api", "v1", *rest] if rest:
            group = ""
        case ["apis", group, _, *rest] if rest:
            pass
        case _:
            return None
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    resource, named = rest[0], len(rest) > 1
    return (group, "/".join([resource, *rest[2:3]])), named


def live_fully(lab: Namespace) -> None:
    """A life in which a Service was changed and a claim is retained, up to its time to live."""
    life.live(lab)
    lab.job("second")
    wait_until("a Service", lambda: lab.get("services", "second"), 20)
    lab.patch("services", "second", {"spec": {"selector": {"nerfops.dev/job": "other"}}})
    wait_until("the Service is mended", lambda: _mended(lab), 20)
    retained = {"checkpoint": {"volume": {"retentionPolicy": "Retain"}}}
    lab.patch("nerfjobs", "second", {"spec": retained})
    wait_until("the claim is let go of", lambda: _retained(lab), 20)
    life.die(lab)
    lab.delete("nerfjobs", "second")


def _retained(lab: Namespace) -> bool:
    found = lab.get("persistentvolumeclaims", "second-checkpoint")
    return found is not None and "ownerReferences" not in found["metadata"]


def _mended(lab: Namespace) -> bool:
    found = lab.get("services", "second")
    return found is not None and found["spec"]["selector"]["nerfops.dev/job"] == "second"


def test_every_right_is_used_and_no_other_is_asked_for(stage: Stage) -> None:
    lab = stage.namespace()
    with stage.operator("") as (operator, proxy):
        wait_until("the operator is ready", operator.ready)
        live_fully(lab)
        found = used(proxy.answered)
        refused = [one for one in proxy.answered if one.code in (401, 403)]
    assert found == {resource: set(verbs) for resource, verbs in PERMISSIONS.items()}
    assert [one.call.what for one in refused] == []
