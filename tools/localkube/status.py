"""What runs, in a table for people."""

from localkube import control_plane, dns, image_store, network, storage
from localkube.api import Api
from localkube.cluster import Cluster
from localkube.daemons import Daemon


def describe(cluster: Cluster) -> str:
    """The cluster's parts and their state, one a line."""
    ready = Api(cluster.instance, timeout=3).is_ready()
    lines = [f"{daemon.name:26}{_state(daemon)}" for daemon in _servers(cluster)]
    lacks = cluster.unready() if ready else {}
    for config in cluster.instance.known_nodes():
        node = cluster.node(config.name)
        if not node.keeper.is_running():
            state = "off"
        elif network.is_cut(config):
            state = "network cut"
        elif not ready:
            state = "running, API server does not answer"
        else:
            state = lacks.get(config.name) or "Ready"
        lines.append(f"{config.name:26}{state}")
    lines += [f"image {name}" for name in image_store.catalog(image_store.STORE)]
    lines.append(f"export KUBECONFIG={cluster.instance.kubeconfig}")
    return "\n".join(lines)


def _servers(cluster: Cluster) -> list[Daemon]:
    instance, hyperkube = cluster.instance, cluster.built.hyperkube
    makers = (
        control_plane.etcd,
        control_plane.apiserver,
        control_plane.controller_manager,
        control_plane.scheduler,
        dns.daemon,
        storage.controller,
    )
    return [make(instance, hyperkube) for make in makers]


def _state(daemon: Daemon) -> str:
    pid = daemon.pid()
    return f"running (pid {pid})" if pid else "stopped"
