"""Who may reach the pods of a job, by an evaluator of its policies: what they say, not what a
cluster's network does with it."""

import json
from dataclasses import replace
from typing import Any

import pytest
from operator_support.builders import DEFAULTS, IMAGE, NOW, job, observed, running
from operator_support.reach import End, allowed

from nerf_contract import names
from nerf_operator.core import network, stage_pods, training_pods
from nerf_operator.core.actions import Create, DrawToken, Fence
from nerf_operator.core.plan import plan
from nerf_operator.core.pod import PodRequest
from nerf_operator.settings import Settings, SettingsError
from nerf_trainer.archive import web
from nerf_trainer.archive.web import is_public

Object = dict[str, Any]
OPERATOR_LABELS = {"app.kubernetes.io/name": "nerf-operator"}
ARCHIVE = {"archive": {"url": "https://example.com/a.zip", "sha256": "0" * 64}}


def space(name: str) -> Object:
    """All pods of a namespace, as a peer."""
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


JOB_NETWORK = {
    "operator": {**space("nerf-system"), "podSelector": {"matchLabels": OPERATOR_LABELS}},
    "metricsFrom": [space("monitoring")],
    "viewerFrom": [space("ingress")],
}
ENV = {"TRAINER_IMAGE": IMAGE, "JOB_NETWORK": json.dumps(JOB_NETWORK)}
NETWORK = Settings.from_env(ENV).network
OPERATOR = End(namespace="nerf-system", labels=OPERATOR_LABELS)
PROMETHEUS = End(namespace="monitoring", labels={"app": "prometheus"})
INGRESS = End(namespace="ingress", labels={"app": "nginx"})
STRANGER = End(namespace="lab", labels={"app": "stranger"})
ELSEWHERE = End(namespace="other", labels={names.LABEL_JOB: "demo"})
OTHER_JOB = End(namespace="lab", labels={names.LABEL_JOB: "other"})
DNS = End(namespace="kube-system", labels={"k8s-app": "kube-dns"})


def end(pod: Object) -> End:
    return End(namespace=pod["metadata"]["namespace"], labels=pod["metadata"]["labels"])


def request(component: str) -> PodRequest:
    return PodRequest(IMAGE, attempt=0, component=component)


def pods(**sections: Any) -> dict[str, End]:
    """An end for each kind of pod of a job."""
    subject = job(**sections)
    made = {
        "worker": training_pods.worker(subject, PodRequest(IMAGE, attempt=0, index=0)),
        "coordinator": training_pods.coordinator(subject, request("coordinator")),
        "download": stage_pods.download(subject, request("download")),
        "poses": stage_pods.poses(subject, request("poses")),
        "export": stage_pods.export(subject, request("export")),
        "viewer": stage_pods.viewer(subject, request("viewer"), beside=None),
    }
    return {name: end(pod) for name, pod in made.items()}


POLICIES = network.policies(job(), NETWORK) if NETWORK else []
FETCHING = network.policies(job(dataset=ARCHIVE), NETWORK) if NETWORK else []
PODS = pods()
#: Ports on which anything of a job listens: gloo and NCCL take any.
ANY = (1024, names.COORDINATOR_PORT, 29500, 65535)
STATUS, VIEWER = names.TRAINER_HTTP_PORT, names.VIEWER_PORT


@pytest.mark.parametrize("name", PODS)
def test_pods_of_a_job_reach_each_other(name: str) -> None:
    for port in (*ANY, STATUS):
        assert allowed(POLICIES, PODS[name], PODS["worker"], port)
        assert allowed(POLICIES, PODS["worker"], PODS[name], port)
    assert allowed(POLICIES, PODS[name], DNS, 53, "UDP")


@pytest.mark.parametrize("name", PODS)
@pytest.mark.parametrize("who", [STRANGER, OTHER_JOB, ELSEWHERE], ids=["pod", "job", "namespace"])
def test_strangers_reach_nothing(name: str, who: End) -> None:
    for port in (*ANY, STATUS, VIEWER):
        assert not allowed(POLICIES, who, PODS[name], port)
        assert not allowed(POLICIES, PODS[name], who, port)


def test_the_operator_and_the_monitoring_reach_the_status_alone() -> None:
    for who in (OPERATOR, PROMETHEUS):
        assert allowed(POLICIES, who, PODS["worker"], STATUS)
        for port in (*ANY, STATUS + 1, VIEWER):
            assert not allowed(POLICIES, who, PODS["worker"], port)


def test_each_process_of_a_pod_can_be_scraped() -> None:
    assert NETWORK is not None
    several = network.policies(job(workers={"replicas": 1, "processesPerWorker": 3}), NETWORK)
    reached = [allowed(several, PROMETHEUS, PODS["worker"], STATUS + k) for k in range(4)]
    assert reached == [True, True, True, False]


def test_an_ingress_reaches_the_viewer_alone() -> None:
    assert allowed(POLICIES, INGRESS, PODS["viewer"], VIEWER)
    assert not allowed(POLICIES, INGRESS, PODS["worker"], STATUS)
    assert not allowed(POLICIES, PROMETHEUS, PODS["viewer"], VIEWER)


ADDRESSES = (
    *("10.0.0.1", "10.96.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254"),
    *("127.0.0.1", "0.0.0.0", "198.18.0.1", "224.0.0.1", "255.255.255.255", "192.0.0.170"),
    *("::1", "fe80::1", "fd00::1", "fec0::1", "ff02::1", "64:ff9b::a00:1", "::ffff:10.0.0.1"),
    *("1.1.1.1", "93.184.216.34", "172.15.0.1", "172.32.0.1", "2606:4700::1111"),
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_is_fetched_comes_from_where_the_trainer_would_fetch_it(address: str) -> None:
    fetching = pods(dataset=ARCHIVE)
    reached = allowed(FETCHING, fetching["download"], End(address), 443)
    assert reached == is_public(address)


@pytest.mark.parametrize("address", [*ADDRESSES, "10.20.255.1", "10.21.0.1", "fd00:1::1"])
def test_an_administrator_may_name_private_networks(address: str) -> None:
    assert NETWORK is not None
    named = ("10.20.0.0/16", "fd00:1::/32")
    policies = network.policies(job(dataset=ARCHIVE), NETWORK, named)
    environment = {names.ENV_ARCHIVE_NETWORKS: ",".join(named)}
    by_policy = allowed(policies, pods(dataset=ARCHIVE)["download"], End(address), 443)
    by_trainer = web.allowed(environment)(address)
    inside = address in ("10.20.255.1", "fd00:1::1")
    assert by_policy == by_trainer == (inside or is_public(address))


@pytest.mark.parametrize("name", [name for name in PODS if name != "download"])
def test_nobody_else_leaves_the_cluster(name: str) -> None:
    fetching = pods(dataset=ARCHIVE)
    assert not allowed(FETCHING, fetching[name], End("1.1.1.1"), 443)
    assert not allowed(POLICIES, PODS["download"], End("1.1.1.1"), 443), "without an archive"
    for port in (53, 5353):
        assert not allowed(FETCHING, fetching[name], End("1.1.1.1"), port, "UDP"), "a tunnel"


def test_a_fence_is_there_before_the_first_pod_and_is_never_anothers() -> None:
    fenced = replace(DEFAULTS, network=NETWORK)
    first, *others = plan(job(), observed(), NOW, fenced).actions
    assert isinstance(first, Fence) and isinstance(others[-1], Create)
    assert any(isinstance(action, DrawToken) for action in others)
    assert job().uid[:8] in first.policy["metadata"]["name"]
    assert first.policy["metadata"]["ownerReferences"][0]["uid"] == job().uid
    assert not any(isinstance(a, Fence) for a in plan(job(), observed(), NOW, DEFAULTS).actions)


def test_pods_that_are_there_are_fenced_once_by_each_operator() -> None:
    fenced = replace(DEFAULTS, network=NETWORK)
    there = observed(running(0), running(1))
    assert any(isinstance(a, Fence) for a in plan(job(), there, NOW, fenced).actions)
    calm = plan(job(), replace(there, fenced=True), NOW, fenced).actions
    assert not any(isinstance(action, Fence) for action in calm)


def test_a_fence_that_says_something_else_has_another_name() -> None:
    assert NETWORK is not None
    more = NETWORK.model_copy(update={"metrics_from": []})
    workers = {"replicas": 1, "processesPerWorker": 3}
    fences = [
        network.policies(job(), NETWORK),
        network.policies(job(), more),
        network.policies(job(workers=workers), NETWORK),
    ]
    assert len({fence["metadata"]["name"] for [fence] in fences}) == 3


def test_without_the_setting_there_are_none() -> None:
    assert Settings.from_env({"TRAINER_IMAGE": IMAGE}).network is None


def test_an_administrator_is_told_what_does_not_make_sense() -> None:
    with pytest.raises(SettingsError, match="JOB_NETWORK"):
        Settings.from_env(ENV | {"JOB_NETWORK": '{"operators": {}}'})
