"""Instances and nodes keep to their own addresses and names."""

import ipaddress
from itertools import combinations

import pytest

from localkube.config import INSTANCE_ENV, MAX_NODES, Instance
from localkube.errors import ClusterError

INSTANCES = [Instance("lk"), *(Instance(f"lk{number}") for number in range(1, 10))]


def networks(instance: Instance) -> list[ipaddress.IPv4Network]:
    texts = (instance.bridge_network, instance.pod_network, instance.service_network)
    return [ipaddress.IPv4Network(text) for text in texts]


def test_no_two_networks_of_any_instances_overlap() -> None:
    everything = [network for instance in INSTANCES for network in networks(instance)]
    overlapping = [pair for pair in combinations(everything, 2) if pair[0].overlaps(pair[1])]
    assert overlapping == []


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda instance: instance.name)
def test_addresses_lie_in_their_networks(instance: Instance) -> None:
    bridge, pods, services = networks(instance)
    nodes = [instance.node(number) for number in range(1, MAX_NODES + 1)]
    assert ipaddress.IPv4Address(instance.host_ip) in bridge
    assert all(ipaddress.IPv4Address(node.ip) in bridge for node in nodes)
    assert all(ipaddress.IPv4Network(node.pod_network).subnet_of(pods) for node in nodes)
    assert {ipaddress.IPv4Address(ip) in services for ip in service_ips(instance)} == {True}
    assert ipaddress.IPv4Address(instance.loopback_ip).is_loopback


def service_ips(instance: Instance) -> list[str]:
    return [instance.api_service_ip, instance.dns_ip]


def test_interface_names_fit_the_kernel() -> None:
    names = [Instance("lk9").bridge, Instance("lk9").node(MAX_NODES).host_interface]
    assert max(map(len, names)) <= 15


@pytest.mark.parametrize("name", ["", "lk0", "lk10", "other", "../lk"])
def test_other_instance_names_are_refused(name: str) -> None:
    with pytest.raises(ClusterError, match="use lk, or lk1 to lk9"):
        Instance(name)


def test_the_environment_names_the_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INSTANCE_ENV, "lk3")
    assert Instance.from_environment().name == "lk3"
    monkeypatch.setenv(INSTANCE_ENV, "")
    assert Instance.from_environment().name == "lk"


@pytest.mark.parametrize("name", ["node0", "node99", "elsewhere", "node1/../node2"])
def test_an_unknown_node_is_an_error_that_lists_the_nodes(name: str) -> None:
    with pytest.raises(ClusterError, match="no node"):
        Instance("lk8").node_named(name)
