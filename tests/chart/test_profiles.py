"""Each profile of values renders objects that Kubernetes takes, and pods that are restricted."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import kubernetes_validate
import pytest
from operator_support.chart import CHART, template

from nerf_contract import names
from nerf_contract.pod_security import CONTAINER_SECURITY
from nerf_contract.v1alpha1 import NeRFJobSpec

Object = dict[str, Any]
PROFILES = sorted(path.stem for path in (CHART / "ci").glob("*-values.yaml"))
#: The oldest that the chart takes, the one of the local cluster, and one between.
MINORS = (29, 32, 35)
#: Kinds of other projects, whose schemas are not Kubernetes'.
OF_OTHERS = {"CustomResourceDefinition", "NeRFJob", "PodMonitor", "PrometheusRule"}
VOLUMES = {"configMap", "emptyDir", "ephemeral"}


@cache
def rendered(profile: str, minor: int) -> tuple[Object, ...]:
    """With the hooks of `helm test`, and with the Prometheus Operator where it is asked for."""
    flags = [f"--values={CHART}/ci/{profile}.yaml"]
    if profile.startswith("monitored"):
        flags.append("--api-versions=monitoring.coreos.com/v1")
    return tuple(template(*flags, minor=minor, tests=True))


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("profile", PROFILES)
def test_kubernetes_takes_what_is_rendered(profile: str, minor: int) -> None:
    objects = [obj for obj in rendered(profile, minor) if obj["kind"] not in OF_OTHERS]
    assert {"Deployment", "Pod", "ConfigMap"} <= {obj["kind"] for obj in objects}
    for obj in objects:
        kubernetes_validate.validate(obj, f"1.{minor}", strict=True)


@pytest.mark.parametrize("profile", PROFILES)
def test_pods_are_restricted_and_bounded(profile: str) -> None:
    found = dict(pods(rendered(profile, MINORS[0])))
    assert set(found) == {"Deployment", "Pod"}
    for pod in found.values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == names.TRAINER_UID
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["enableServiceLinks"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert {kind for volume in pod["volumes"] for kind in volume if kind != "name"} <= VOLUMES
        for container in (*pod["containers"], *pod.get("initContainers", ())):
            assert container["securityContext"] == CONTAINER_SECURITY
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert {"memory", "ephemeral-storage"} <= set(container["resources"]["limits"])


def pods(objects: tuple[Object, ...]) -> Iterator[tuple[str, Object]]:
    """Kind of what holds it, and the spec of each pod."""
    for obj in objects:
        if obj["kind"] == "Pod":
            yield "Pod", obj["spec"]
        elif "template" in obj.get("spec", {}):
            yield obj["kind"], obj["spec"]["template"]["spec"]


@pytest.mark.parametrize("profile", PROFILES)
def test_the_operator_takes_the_job_of_helm_test(profile: str) -> None:
    objects = rendered(profile, MINORS[0])
    [job] = [obj for obj in objects if obj["kind"] == names.KIND]
    spec = NeRFJobSpec.model_validate(job["spec"])
    [pod] = [obj for obj in objects if obj["kind"] == "Pod"]
    # An ephemeral volume's claim is named like the pod and the volume.
    assert spec.dataset.claim_name == f"{pod['metadata']['name']}-photos"
    assert pod["metadata"]["labels"][names.LABEL_DATASET_CLAIM] == spec.dataset.claim_name
    assert len(job["metadata"]["name"]) <= 42
    places = {
        obj["metadata"]["namespace"]
        for obj in objects
        if obj["metadata"].get("annotations", {}).get("helm.sh/hook")
    }
    assert places == {"lab" if profile.startswith("namespaced") else "nerf-system"}


@pytest.mark.parametrize("release", ["a", "nerf-operator", "7", "7.of.9", "x" * 53])
def test_every_release_has_names_that_kubernetes_takes(release: str) -> None:
    objects = template(release=release, tests=True)
    [job] = [obj for obj in objects if obj["kind"] == names.KIND]
    assert job["metadata"]["name"].startswith("test-")
    assert len(job["metadata"]["name"]) <= 42
    assert "." not in job["metadata"]["name"]
    assert all(isinstance(obj["metadata"]["name"], str) for obj in objects)
    [pod] = [obj for obj in objects if obj["kind"] == "Pod"]
    assert pod["metadata"]["labels"]["app.kubernetes.io/instance"] == release


@pytest.mark.parametrize("profile", PROFILES)
def test_every_object_says_whose_it_is(profile: str) -> None:
    more = {"cost-centre": "7"} if profile.startswith("locked") else {}
    for obj in rendered(profile, MINORS[0]):
        if obj["kind"] != "CustomResourceDefinition":
            labels = obj["metadata"]["labels"]
            of_test = "helm.sh/hook" in obj["metadata"].get("annotations", {})
            name = "nerf-operator-test" if of_test else "nerf-operator"
            own = {"app.kubernetes.io/name": name, "app.kubernetes.io/instance": "nerf"}
            assert labels.items() >= (own | more).items(), obj["metadata"]["name"]
            assert "helm.sh/chart" in labels
            assert ("example.com/owner" in obj["metadata"].get("annotations", {})) == bool(more)


def test_no_two_objects_are_one() -> None:
    for profile in PROFILES:
        keys = [
            (obj["kind"], obj["metadata"].get("namespace"), obj["metadata"]["name"])
            for obj in rendered(profile, MINORS[0])
        ]
        assert len(keys) == len(set(keys)), profile
