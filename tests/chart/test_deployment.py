"""The operator's pods, and what comes with several of them."""

import subprocess
import sys
from typing import Any

import pytest
from operator_support.chart import CHART, HELM, ROOT, ChartError, kinds, render, template

from nerf_contract import names

Object = dict[str, Any]


def pod(*values: str) -> Object:
    """Of the Deployment: metadata and spec."""
    [deployment] = kinds(render(*values), "Deployment")
    found: Object = deployment["spec"]["template"]
    return found


def env(*values: str) -> dict[str, str]:
    """Environment of the operator."""
    variables = pod(*values)["spec"]["containers"][0]["env"]
    return {one["name"]: one.get("value", "") for one in variables}


DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("values", "image", "trainer"),
    [
        ([], "localhost/nerf-operator:dev", "localhost/nerf-trainer:cpu"),
        (
            ["image.registry=ghcr.io/me", "image.tag=v1"],
            "ghcr.io/me/nerf-operator:v1",
            "ghcr.io/me/nerf-trainer:cpu",
        ),
        (["image.registry="], "nerf-operator:dev", "nerf-trainer:cpu"),
        (
            ["image.registry=r:5000", f"image.digest={DIGEST}", "trainerImage=r/t:cuda"],
            f"r:5000/nerf-operator@{DIGEST}",
            "r/t:cuda",
        ),
    ],
)
def test_images(values: list[str], image: str, trainer: str) -> None:
    assert pod(*values)["spec"]["containers"][0]["image"] == image
    assert env(*values)[names.ENV_TRAINER_IMAGE] == trainer


def test_one_operator_goes_before_the_next_one_comes() -> None:
    objects = render()
    [deployment] = kinds(objects, "Deployment")
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate", "rollingUpdate": None}
    assert kinds(objects, "PodDisruptionBudget") == []


def test_of_two_operators_one_waits_on_another_node() -> None:
    objects = render("replicas=2")
    [deployment] = kinds(objects, "Deployment")
    assert deployment["spec"]["strategy"] == {"type": "RollingUpdate"}
    [spread] = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
    [budget] = kinds(objects, "PodDisruptionBudget")
    selector = deployment["spec"]["selector"]
    assert budget["spec"] == {"maxUnavailable": 1, "selector": selector}
    assert spread["labelSelector"] == selector


def test_an_operator_whose_node_is_lost_is_replaced_in_seconds() -> None:
    """Also where its users add tolerations of their own."""
    found = pod("tolerations[0].key=spot", "tolerations[0].operator=Exists")["spec"]["tolerations"]
    waits = {one["key"]: one.get("tolerationSeconds") for one in found}
    lost = {f"node.kubernetes.io/{how}": 15 for how in ("not-ready", "unreachable")}
    assert waits == lost | {"spot": None}


def test_the_pod_is_placed_and_labelled_as_the_values_say() -> None:
    found = pod(
        *("podLabels.team=a", "podAnnotations.note=b", "nodeSelector.disk=fast"),
        "priorityClassName=high",
        *("imagePullSecrets[0].name=registry", "affinity.nodeAffinity.x=y"),
    )
    assert found["metadata"]["labels"]["team"] == "a"
    assert found["metadata"]["annotations"]["note"] == "b"
    expected = {
        "nodeSelector": {"disk": "fast"},
        "priorityClassName": "high",
        "imagePullSecrets": [{"name": "registry"}],
        "affinity": {"nodeAffinity": {"x": "y"}},
    }
    assert found["spec"].items() >= expected.items()


def test_labels_of_the_values_never_replace_the_selector() -> None:
    own = "app\\.kubernetes\\.io/name"
    [deployment] = kinds(render(f"podLabels.{own}=x", f"commonLabels.{own}=y"), "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels.items() >= deployment["spec"]["selector"]["matchLabels"].items()
    assert deployment["metadata"]["labels"]["app.kubernetes.io/name"] == "nerf-operator"


def test_the_crd_is_kept_and_can_be_left_out() -> None:
    [crd] = kinds(render(), "CustomResourceDefinition")
    assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert kinds(render("crds.install=false"), "CustomResourceDefinition") == []


def test_an_older_kubernetes_is_refused() -> None:
    with pytest.raises(ChartError, match=r"kubeVersion: >=1\.29\.0-0 .* incompatible"):
        template(minor=28)


def test_lint() -> None:
    done = subprocess.run([HELM, "lint", "--strict", CHART], text=True, capture_output=True)
    assert done.returncode == 0, done.stdout


def test_generated_files_are_up_to_date() -> None:
    command = [sys.executable, ROOT / "tools" / "generate" / "generate.py", "--check"]
    done = subprocess.run(command, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
