"""What the chart renders: the least rights, a restricted pod, and files that are up to date."""

import subprocess
import sys
from typing import Any

import pytest
from operator_support.chart import HELM, ROOT, render

from nerf_operator.cluster.api import LEASE_PERMISSIONS, PERMISSIONS

Object = dict[str, Any]


def kinds(objects: list[Object], kind: str) -> list[Object]:
    return [obj for obj in objects if obj["kind"] == kind]


def rights(role: Object) -> dict[tuple[str, str], frozenset[str]]:
    """(group, resource) -> verbs."""
    return {
        (group, resource): frozenset(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def test_rights_are_exactly_those_that_are_used() -> None:
    [role] = kinds(render(), "ClusterRole")
    assert rights(role) == PERMISSIONS


def test_in_chosen_namespaces_there_are_no_rights_beyond_them() -> None:
    objects = render("watchNamespaces={lab,studio}")
    roles = kinds(objects, "Role")
    assert {role["metadata"]["namespace"] for role in roles} == {"lab", "studio"}
    without_nodes = {what: verbs for what, verbs in PERMISSIONS.items() if what[1] != "nodes"}
    assert all(rights(role) == without_nodes for role in roles)
    assert kinds(objects, "ClusterRole") == kinds(objects, "ClusterRoleBinding") == []
    [deployment] = kinds(objects, "Deployment")
    env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "WATCH_NAMESPACES", "value": "lab,studio"} in env


def test_the_crd_can_be_left_out() -> None:
    [crd] = kinds(render(), "CustomResourceDefinition")
    assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert kinds(render("crds.install=false"), "CustomResourceDefinition") == []


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ([], "localhost/nerf-operator:dev"),
        (["image.registry=ghcr.io/me", "image.tag=1"], "ghcr.io/me/nerf-operator:1"),
        (["image.registry="], "nerf-operator:dev"),
    ],
)
def test_image(values: list[str], image: str) -> None:
    [deployment] = kinds(render(*values), "Deployment")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == image


def test_one_restricted_operator_at_a_time() -> None:
    [deployment] = kinds(render(), "Deployment")
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate", "rollingUpdate": None}
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_of_two_operators_one_holds_a_lease() -> None:
    objects = render("replicas=2")
    [deployment] = kinds(objects, "Deployment")
    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["strategy"] == {"type": "RollingUpdate"}
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    env = {one["name"]: one for one in container["env"]}
    [role] = kinds(objects, "Role")
    given: dict[tuple[str, str], frozenset[str]] = {}
    for rule in role["rules"]:
        assert rule["verbs"] == ["create"] or rule["resourceNames"] == [env["LEASE_NAME"]["value"]]
        for key, verbs in rights({"rules": [rule]}).items():
            given[key] = given.get(key, frozenset()) | verbs
    assert given == LEASE_PERMISSIONS
    assert role["metadata"]["namespace"] == "nerf-system"
    assert {"POD_NAME", "POD_NAMESPACE"} <= set(env)


def test_one_operator_asks_for_no_lease() -> None:
    assert kinds(render(), "Role") == []
    assert "LEASE_NAME" not in str(kinds(render(), "Deployment"))


def test_lint() -> None:
    command = [HELM, "lint", "--strict", ROOT / "charts" / "nerf-operator"]
    done = subprocess.run(command, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout


def test_generated_files_are_up_to_date() -> None:
    command = [sys.executable, ROOT / "tools" / "generate" / "generate.py", "--check"]
    done = subprocess.run(command, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
