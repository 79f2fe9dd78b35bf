"""Bringing images into the store and into running nodes."""

from pathlib import Path

from localkube import image_store
from localkube.build import Report
from localkube.config import Instance
from localkube.image_store import Archive
from localkube.node import Node
from localkube.shell import run


def load(instance: Instance, nodes: list[Node], paths: list[Path], report: Report) -> None:
    """Import the archives once, and give them to every running node that lacks them."""
    archives = [image_store.read_archive(path) for path in paths]
    image_store.add(instance, archives)
    for node in nodes:
        _update(node, archives)
    for archive in archives:
        report(f"{archive.name} is {archive.digest}")


def _update(node: Node, archives: list[Archive]) -> None:
    missing = [a for a in archives if not image_store.holds(node.config.state, a)]
    if not missing:
        return
    if _is_idle(node):
        _clone_again(node)
        return
    for archive in missing:
        image_store.import_archive(node.config.containerd_socket, node.config.state, archive)
    image_store.forget_old(node.config.containerd_socket, node.config.state)


def _is_idle(node: Node) -> bool:
    socket = node.config.containerd_socket
    ctr = ("ctr", "--address", socket, "--namespace", image_store.NAMESPACE)
    return not run(*ctr, "containers", "list", "--quiet")


def _clone_again(node: Node) -> None:
    """Replace the store of a node without containers: seconds, and nothing is stored twice."""
    node.kubelet.stop()
    node.containerd.stop()
    image_store.discard(node.config)
    image_store.clone(node.config)
    node.start_containerd()
    node.kubelet.ensure()
