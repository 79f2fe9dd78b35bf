"""Who may do what: the operator, people, and the test of an installation."""

from typing import Any

import pytest
from operator_support.chart import kinds, render, template

from nerf_operator.cluster.api import FENCE_PERMISSIONS, PERMISSIONS
from nerf_operator.cluster.leases import LEASE_PERMISSIONS

Object = dict[str, Any]
Rights = dict[tuple[str, str], frozenset[str]]
NAMESPACED = {what: verbs for what, verbs in PERMISSIONS.items() if what[1] != "nodes"}


def rights(role: Object) -> Rights:
    """(group, resource) -> verbs."""
    found: Rights = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                known = found.get((group, resource), frozenset())
                found[group, resource] = known | frozenset(rule["verbs"])
    return found


def bound(objects: list[Object]) -> list[tuple[str, str, str]]:
    """Kind, namespace and name of each role that the operator has."""
    account = {"kind": "ServiceAccount", "name": "nerf-nerf-operator", "namespace": "nerf-system"}
    bindings = [obj for obj in objects if obj["kind"].endswith("RoleBinding")]
    assert all(binding["subjects"] == [account] for binding in bindings)
    places = [(one["metadata"].get("namespace", ""), one["roleRef"]) for one in bindings]
    return sorted((role["kind"], place, role["name"]) for place, role in places)


def test_rights_are_exactly_those_that_are_used() -> None:
    objects = render()
    assert bound(objects) == [("ClusterRole", "", "nerf-nerf-operator")]
    roles = {role["metadata"]["name"]: role for role in kinds(objects, "ClusterRole")}
    assert rights(roles["nerf-nerf-operator"]) == PERMISSIONS


def test_policies_for_jobs_need_the_right_to_make_them_and_no_other() -> None:
    roles = kinds(render("jobNetworkPolicy.enabled=true"), "ClusterRole")
    [operator] = [role for role in roles if role["metadata"]["name"] == "nerf-nerf-operator"]
    assert rights(operator) == PERMISSIONS | FENCE_PERMISSIONS


def test_in_chosen_namespaces_there_are_no_rights_beyond_them() -> None:
    objects = render("watchNamespaces={lab,studio}")
    name = "nerf-nerf-operator"
    assert bound(objects) == [("Role", "lab", name), ("Role", "studio", name)]
    roles = kinds(objects, "Role")
    assert {role["metadata"]["namespace"] for role in roles} == {"lab", "studio"}
    assert all(rights(role) == NAMESPACED for role in roles)
    [deployment] = kinds(objects, "Deployment")
    env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "WATCH_NAMESPACES", "value": "lab,studio"} in env


def test_of_two_operators_one_holds_a_lease_of_one_name() -> None:
    objects = render("replicas=2")
    [deployment] = kinds(objects, "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    env = {one["name"]: one for one in container["env"]}
    [role] = kinds(objects, "Role")
    named = [r for r in role["rules"] if r["verbs"] != ["create"]]
    assert all(rule["resourceNames"] == [env["LEASE_NAME"]["value"]] for rule in named)
    assert rights(role) == LEASE_PERMISSIONS
    assert role["metadata"]["namespace"] == "nerf-system"
    assert {"POD_NAME", "POD_NAMESPACE"} <= set(env)


def test_one_operator_asks_for_no_lease() -> None:
    assert kinds(render(), "Role") == []
    assert "LEASE_NAME" not in str(kinds(render(), "Deployment"))


def test_who_may_view_a_namespace_reads_its_jobs_and_who_may_edit_it_writes_them() -> None:
    label = "rbac.authorization.k8s.io/aggregate-to-"
    roles = kinds(render(), "ClusterRole")
    by_target = {
        key.removeprefix(label): rights(role)
        for role in roles
        for key in role["metadata"]["labels"]
        if key.startswith(label)
    }
    assert set(by_target) == {"view", "edit"}
    assert by_target["view"]["nerfops.dev", "nerfjobs"] == {"get", "list", "watch"}
    assert all(verbs <= {"get", "list", "watch"} for verbs in by_target["view"].values())
    writes = {"create", "update", "patch", "delete", "deletecollection"}
    assert by_target["edit"]["nerfops.dev", "nerfjobs"] == writes
    assert all(group == "nerfops.dev" for found in by_target.values() for group, _ in found)
    assert all("status" not in resource for _, resource in by_target["edit"])
    assert len(kinds(render("rbac.userRoles=false"), "ClusterRole")) == 1


@pytest.mark.parametrize("minimal", [True, False])
def test_an_account_and_rights_of_someone_else_are_taken(minimal: bool) -> None:
    values = ["serviceAccount.create=false", "serviceAccount.name=mine", "rbac.create=false"]
    objects = render(*values, "replicas=2") if minimal else render()
    accounts = [one["metadata"]["name"] for one in kinds(objects, "ServiceAccount")]
    assert accounts == ([] if minimal else ["nerf-nerf-operator"])
    bindings = [obj for obj in objects if obj["kind"].endswith("RoleBinding")]
    assert bool(bindings) is not minimal
    [deployment] = kinds(objects, "Deployment")
    name = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    assert name == ("mine" if minimal else "nerf-nerf-operator")


def test_helm_test_may_read_and_delete_one_job() -> None:
    objects = template(tests=True)
    [role] = kinds(objects, "Role")
    [job] = kinds(objects, "NeRFJob")
    assert role["metadata"]["annotations"]["helm.sh/hook"] == "test"
    [rule] = role["rules"]
    assert rule["resourceNames"] == [job["metadata"]["name"]]
    assert rights(role) == {("nerfops.dev", "nerfjobs"): frozenset({"get", "delete"})}
