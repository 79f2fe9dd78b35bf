"""The bridge, the cables to the nodes, and the host's routes and rules."""

import ipaddress
import json
import socket
from collections.abc import Sequence

from localkube.config import MAX_NODES, Instance, NodeConfig
from localkube.shell import run, succeeds

Rule = tuple[str, str, tuple[str, ...]]


def ensure_host_network(instance: Instance) -> None:
    """The bridge, forwarding, and the rules that let pods out."""
    bridge = instance.bridge
    if not link_exists(bridge):
        run("ip", "link", "add", bridge, "type", "bridge")
    run("ip", "address", "replace", _with_prefix(instance, instance.host_ip), "dev", bridge)
    run("ip", "link", "set", bridge, "address", instance.bridge_mac, "up")
    for table, chain, rule in host_rules(instance):
        if not succeeds("iptables", "-w", "-t", table, "-C", chain, *rule):
            run("iptables", "-w", "-t", table, "-I", chain, *rule)


def host_rules(instance: Instance) -> list[Rule]:
    """Rules of the host: forward the cluster's traffic, and hide pods behind the host."""
    bridge = instance.bridge
    mark = ("-m", "comment", "--comment", f"localkube-{instance.name}")
    masquerade: list[Rule] = [
        ("nat", "POSTROUTING", ("-s", net, "!", "-o", bridge, *mark, "-j", "MASQUERADE"))
        for net in (instance.pod_network, instance.bridge_network)
    ]
    forward: list[Rule] = [
        ("filter", "FORWARD", (side, bridge, *mark, "-j", "ACCEPT")) for side in ("-i", "-o")
    ]
    return masquerade + forward


def connect(node: NodeConfig, pid: int, enter: Sequence[str]) -> None:
    """Lay the cable from the bridge into the network namespace of process `pid`."""
    host_end = node.host_interface
    if link_exists(host_end):
        run("ip", "link", "delete", host_end)
    run(
        *("ip", "link", "add", host_end, "type", "veth"),
        *("peer", "name", "eth0", "address", node.mac, "netns", str(pid)),
    )
    run(*enter, "sh", "-ec", _inside(node))
    mend(node)


def _inside(node: NodeConfig) -> str:
    """Commands for the node's side; kube-proxy needs the sysctls for loopback and hairpins."""
    instance = node.instance
    return f"""
        ip link set lo up
        ip address add {_with_prefix(instance, node.ip)} dev eth0
        ip link set eth0 up
        ip route add default via {instance.host_ip}
        cd /proc/sys/net
        echo 1 > ipv4/ip_forward
        echo 1 > ipv4/conf/all/route_localnet
        echo 1 > bridge/bridge-nf-call-iptables
    """


def route_services(instance: Instance, via: NodeConfig) -> None:
    """Let the host reach cluster IPs through the kube-proxy of one node (webhooks need it)."""
    run("ip", "route", "replace", instance.service_network, "via", via.ip, "dev", instance.bridge)


def join_pod_networks(instance: Instance, enter: dict[str, Sequence[str]]) -> None:
    """Route each node's pods on all the others; `enter` maps node names to command prefixes."""
    nodes = [node for node in instance.known_nodes() if node.name in enter]
    for node in nodes:
        routes = [
            f"ip route replace {other.pod_network} via {other.ip}"
            for other in nodes
            if other != node
        ]
        if routes:
            run(*enter[node.name], "sh", "-ec", "\n".join(routes))


def cut(node: NodeConfig) -> None:
    """Unplug the node's cable."""
    run("ip", "link", "set", node.host_interface, "down")


def mend(node: NodeConfig) -> None:
    """Plug the node's cable in, and route its pods; harmless if that is so."""
    bridge = node.instance.bridge
    run("ip", "link", "set", node.host_interface, "master", bridge, "up")
    run("ip", "route", "replace", node.pod_network, "via", node.ip, "dev", bridge)


def is_cut(node: NodeConfig) -> bool:
    """Whether the node's cable is unplugged."""
    if not link_exists(node.host_interface):
        return False
    (link,) = json.loads(run("ip", "-json", "link", "show", node.host_interface))
    return "UP" not in link["flags"]


def remove_host_network(instance: Instance) -> None:
    """Remove rules, cables and the bridge; routes go with it."""
    for table, chain, rule in host_rules(instance):
        while succeeds("iptables", "-w", "-t", table, "-D", chain, *rule):
            pass
    for number in range(1, MAX_NODES + 1):
        cable = instance.node(number).host_interface
        if link_exists(cable):
            run("ip", "link", "delete", cable, check=False)
    if link_exists(instance.bridge):
        run("ip", "link", "delete", instance.bridge)


def link_exists(name: str) -> bool:
    """Whether the host has this network interface."""
    return name in link_names()


def link_names() -> set[str]:
    """All network interfaces of the host."""
    return {name for _, name in socket.if_nameindex()}


def _with_prefix(instance: Instance, address: str) -> str:
    return f"{address}/{ipaddress.ip_network(instance.bridge_network).prefixlen}"
