"""NetworkPolicies of jobs on a real API server, where the administrator wants them."""

import json
from collections.abc import Iterator

import pytest
from operator_support.apiserver import ApiServer, wait_until
from operator_support.cluster import MERGE, Namespace, Object
from operator_support.process import Operator
from operator_support.stage import Stage

from nerf_operator.cluster.api import FENCE_PERMISSIONS

pytestmark = pytest.mark.usefixtures("alone")
ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/nerf-nerf-operator"
ARCHIVE = {"archive": {"url": "https://example.com/a.zip", "sha256": "0" * 64}}


@pytest.fixture
def fenced(server: ApiServer, stage: Stage) -> Iterator[tuple[Namespace, Operator]]:
    """An operator that makes policies for jobs, with the rights for that."""
    before = server.request("GET", ROLE)["rules"]
    more = [
        {"apiGroups": [group], "resources": [resource], "verbs": sorted(verbs)}
        for (group, resource), verbs in FENCE_PERMISSIONS.items()
    ]
    server.request("PATCH", ROLE, {"rules": [*before, *more]}, MERGE)
    lab = stage.namespace()
    env = {"JOB_NETWORK": json.dumps({"operator": {"podSelector": {}}})}
    with stage.operator(lab.name, env=env) as (operator, _):
        yield lab, operator
    server.request("PATCH", ROLE, {"rules": before}, MERGE)


def policies(lab: Namespace) -> dict[str, Object]:
    path = f"/apis/networking.k8s.io/v1/namespaces/{lab.name}/networkpolicies"
    return {p["metadata"]["name"]: p for p in lab.server.request("GET", path)["items"]}


def names_of(lab: Namespace) -> set[str]:
    """Without the digests of what they say."""
    return {name.rpartition("-")[0] for name in policies(lab)}


def test_a_fence_is_made_once_and_is_the_jobs(fenced: tuple[Namespace, Operator]) -> None:
    lab, operator = fenced
    uid = lab.job()["metadata"]["uid"][:8]
    [first, _] = lab.await_pods("demo-worker-0-0", "demo-worker-1-0")
    assert names_of(lab) == {f"demo-fence-{uid}"}
    lab.run_pod(first)
    lab.end_pod(first, 1, "boom")
    wait_until("a replacement", lambda: "demo-worker-0-1" in lab.pods(), 20)
    [fence] = policies(lab).values()
    assert fence["metadata"]["name"].startswith(f"demo-fence-{uid}-")
    [owner] = fence["metadata"]["ownerReferences"]
    assert owner["uid"].startswith(uid) and owner["controller"]
    lines = [json.loads(line) for line in operator.log.read_text().splitlines()]
    assert [line for line in lines if line["level"] not in ("INFO", "DEBUG")] == []


def test_who_fetches_an_archive_may_leave(fenced: tuple[Namespace, Operator]) -> None:
    lab, _ = fenced
    uid = lab.job(dataset=ARCHIVE)["metadata"]["uid"][:8]
    lab.await_pods("demo-download-0")
    assert names_of(lab) == {f"demo-fence-{uid}", f"demo-fetch-{uid}"}
