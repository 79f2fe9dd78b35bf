"""Addresses, names and paths of one cluster instance."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from localkube.errors import ClusterError

STATE_ROOT = Path("/var/lib/localkube")
RUN_ROOT = Path("/run/localkube")
CACHE_ROOT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nerf-operator"
INSTANCE_ENV = "LOCALKUBE_INSTANCE"
MAX_NODES = 20
CLUSTER_DOMAIN = "cluster.local"


@dataclass(frozen=True)
class Instance:
    """One cluster: `lk`, or `lk1` to `lk9` beside it, each with networks of its own."""

    name: str = "lk"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"lk[1-9]?", self.name):
            raise ClusterError(
                f"{INSTANCE_ENV}={self.name!r} is no instance name: use lk, or lk1 to lk9"
            )

    @classmethod
    def from_environment(cls) -> "Instance":
        """The instance that LOCALKUBE_INSTANCE names."""
        return cls(os.environ.get(INSTANCE_ENV) or "lk")

    @property
    def index(self) -> int:
        """0 to 9; keeps the networks of instances apart."""
        return int(self.name[2:] or 0)

    @property
    def state(self) -> Path:
        """Folder that lives from `up` to `down`."""
        return STATE_ROOT / self.name

    @property
    def run(self) -> Path:
        """Folder of sockets and process records; gone after a reboot."""
        return RUN_ROOT / self.name

    @property
    def logs(self) -> Path:
        """Folder of the servers' logs."""
        return self.state / "log"

    @property
    def pki(self) -> Path:
        """Folder of keys and certificates."""
        return self.state / "pki"

    @property
    def volumes(self) -> Path:
        """Folder of the persistent volumes' data."""
        return self.state / "volumes"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.state / "admin.kubeconfig"

    @property
    def bridge(self) -> str:
        """Name of the bridge that joins the nodes."""
        return f"{self.name}br0"

    @property
    def bridge_mac(self) -> str:
        """A fixed hardware address: else it changes with the cables, and nodes lose the host."""
        return f"02:89:00:00:{self.index:02x}:00"

    @property
    def bridge_network(self) -> str:
        """Network of the host and the nodes."""
        return f"10.89.{self.index}.0/24"

    @property
    def host_ip(self) -> str:
        """The host's address on the bridge: API server and DNS."""
        return f"10.89.{self.index}.1"

    @property
    def loopback_ip(self) -> str:
        """Loopback address of the servers that no pod may reach, such as etcd."""
        return f"127.89.{self.index}.1"

    @property
    def pod_network(self) -> str:
        """Network of all pods."""
        return f"10.{244 + self.index}.0.0/16"

    @property
    def service_network(self) -> str:
        """Network of all cluster IPs."""
        return f"10.{96 + self.index}.0.0/16"

    @property
    def api_service_ip(self) -> str:
        """Cluster IP of the service `kubernetes`."""
        return f"10.{96 + self.index}.0.1"

    @property
    def dns_ip(self) -> str:
        """Cluster IP of the service `kube-dns`."""
        return f"10.{96 + self.index}.0.10"

    @property
    def api_url(self) -> str:
        """URL of the API server."""
        return f"https://{self.host_ip}:6443"

    def node(self, number: int) -> "NodeConfig":
        """The node with this number, counted from 1."""
        return NodeConfig(self, number)

    def node_named(self, name: str) -> "NodeConfig":
        """The node of this name; an unknown name is an error."""
        match = re.fullmatch(r"node([1-9]\d?)", name)
        if not match or not self.node(int(match[1])).state.exists():
            known = ", ".join(node.name for node in self.known_nodes()) or "none is up"
            raise ClusterError(f"no node {name!r}; nodes: {known}")
        return self.node(int(match[1]))

    def known_nodes(self) -> list["NodeConfig"]:
        """All nodes that have a state folder, running or not."""
        nodes = (self.node(number) for number in range(1, MAX_NODES + 1))
        return [node for node in nodes if node.state.exists()]


@dataclass(frozen=True)
class NodeConfig:
    """One node of an instance."""

    instance: Instance
    number: int

    @property
    def name(self) -> str:
        """The node's name in Kubernetes."""
        return f"node{self.number}"

    @property
    def ip(self) -> str:
        """The node's address on the bridge."""
        return f"10.89.{self.instance.index}.{10 + self.number}"

    @property
    def mac(self) -> str:
        """A fixed hardware address, so that neighbours find a revived node at once."""
        return f"02:89:00:00:{self.instance.index:02x}:{self.number:02x}"

    @property
    def pod_network(self) -> str:
        """Network of this node's pods."""
        return f"10.{244 + self.instance.index}.{self.number}.0/24"

    @property
    def host_interface(self) -> str:
        """The host's end of the node's cable."""
        return f"{self.instance.name}n{self.number}"

    @property
    def state(self) -> Path:
        """The node's disk."""
        return self.instance.state / "nodes" / self.name

    @property
    def run(self) -> Path:
        """The node's memory: gone when the node is killed."""
        return self.instance.run / self.name

    @property
    def containerd_root(self) -> Path:
        """Images and containers of the node."""
        return self.state / "containerd"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd listens."""
        return self.run / "containerd.sock"

    @property
    def kubeconfig(self) -> Path:
        """The kubelet's kubeconfig."""
        return self.state / "kubelet.kubeconfig"
