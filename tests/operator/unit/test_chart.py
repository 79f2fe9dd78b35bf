"""What the chart renders: the least rights, a restricted pod, and files that are up to date."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from nerf_operator.cluster.api import PERMISSIONS

ROOT = Path(__file__).parents[3]
HELM = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nerf-operator/bin/helm"
Object = dict[str, Any]


def render(*values: str) -> list[Object]:
    """The chart's objects with these values."""
    sets = [part for value in values for part in ("--set", value)]
    chart = str(ROOT / "charts" / "nerf-operator")
    fixed = ["template", "nerf", chart, "--namespace", "nerf-system", "--kube-version", "1.30.0"]
    done = subprocess.run([HELM, *fixed, *sets], check=True, text=True, capture_output=True)
    return [obj for obj in yaml.safe_load_all(done.stdout) if obj]


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
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_lint() -> None:
    command = [HELM, "lint", "--strict", ROOT / "charts" / "nerf-operator"]
    done = subprocess.run(command, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout


def test_generated_files_are_up_to_date() -> None:
    command = [sys.executable, ROOT / "tools" / "generate" / "generate.py", "--check"]
    done = subprocess.run(command, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
