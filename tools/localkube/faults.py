"""Faults on demand, for tests: each has its opposite."""

import signal

from localkube import control_plane, dns, network
from localkube.cluster import Cluster
from localkube.errors import ClusterError


def kill_node(cluster: Cluster, name: str) -> None:
    """Power loss: every process of the node dies at once; its disk stays."""
    cluster.node(name).power_off()
    cluster.connect_nodes()


def revive_node(cluster: Cluster, name: str) -> None:
    """Power on again, with the same disk."""
    node = cluster.node(name)
    node.power_on()
    node.start_services()
    cluster.connect_nodes()


def stop_kubelet(cluster: Cluster, name: str) -> None:
    """End the kubelet; containers go on."""
    cluster.node(name).kubelet.stop(signal.SIGKILL)


def start_kubelet(cluster: Cluster, name: str) -> None:
    """Start the kubelet again."""
    cluster.node(name).kubelet.ensure()


def restart_containerd(cluster: Cluster, name: str) -> None:
    """End containerd and start it again; containers go on."""
    node = cluster.node(name)
    node.containerd.stop(signal.SIGKILL)
    node.start_containerd()


def cut_network(cluster: Cluster, name: str) -> None:
    """Unplug the node; everything on it goes on, alone."""
    node = cluster.node(name)
    if not node.keeper.is_running():
        raise ClusterError(f"{name} is off: nothing to cut")
    network.cut(node.config)
    cluster.connect_nodes()


def mend_network(cluster: Cluster, name: str) -> None:
    """Plug the node in again."""
    network.mend(cluster.node(name).config)
    cluster.connect_nodes()


def stop_apiserver(cluster: Cluster) -> None:
    """End the API server; nodes and pods go on."""
    control_plane.apiserver(cluster.instance, cluster.built.hyperkube).stop(signal.SIGKILL)


def start_apiserver(cluster: Cluster) -> None:
    """Start the API server and wait until it is ready."""
    control_plane.start_api(cluster.instance, cluster.built.hyperkube)


def stop_dns(cluster: Cluster) -> None:
    """End the DNS server."""
    dns.daemon(cluster.instance, cluster.built.hyperkube).stop(signal.SIGKILL)


def start_dns(cluster: Cluster) -> None:
    """Start the DNS server and wait until it answers."""
    dns.start(cluster.instance, cluster.built.hyperkube)
    dns.wait_ready(cluster.instance, cluster.built.hyperkube)
