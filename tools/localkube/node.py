"""Nodes: network, mount, process and host name namespaces with servers of their own.

The first process of a node's process namespace keeps the node alive. When it dies, the kernel
ends every process of the node and drops its mounts, its network and its rules: a power loss.
"""

import math
import shutil
import signal
from collections.abc import Sequence

from localkube import cgroups, image_store, network, private_paths
from localkube.build import Built
from localkube.config import NodeConfig
from localkube.daemons import Daemon, program
from localkube.errors import ClusterError
from localkube.node_files import write_node_files
from localkube.pki import create_node_pki
from localkube.shell import flags, run, succeeds, wait_for

UNSHARE = (
    *("unshare", "--net", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc"),
    *("--propagation", "slave"),
)
REGISTRY = "plugins_registry"


class Node:
    """Starts and ends one node's processes."""

    def __init__(self, config: NodeConfig, built: Built, gpus: int) -> None:
        self.config = config
        self._built = built
        self._gpus = gpus

    @property
    def keeper(self) -> Daemon:
        """The process whose end is the node's end."""
        argv = [str(self._built.pause)]
        return self._daemon("keeper", argv, UNSHARE)

    def enter(self) -> Sequence[str]:
        """Command prefix that runs something inside the node."""
        node, pid = self.config.name, self.keeper.pid()
        if pid is None:
            raise ClusterError(f"{node} is off: localkube node revive {node}")
        return ("nsenter", f"--target={pid}", "--net", "--mount", "--pid", "--uts")

    def power_on(self) -> None:
        """Bring up the machine: namespaces, disk, network and containerd."""
        if not self.keeper.is_running():
            self._boot()
        self.start_containerd()

    def start_services(self) -> None:
        """Start what needs the API server."""
        for daemon in (self.kubelet, self.proxy, self.plugins):
            daemon.ensure()

    def power_off(self) -> None:
        """End everything at once, as a power loss does."""
        self.keeper.stop(signal.SIGKILL)
        if not cgroups.kill(self.config.instance.name, self.config.name):
            raise ClusterError(f"processes of {self.config.name} do not end")
        if network.link_exists(self.config.host_interface):
            run("ip", "link", "delete", self.config.host_interface, check=False)

    def remove(self) -> None:
        """End the node for good."""
        self.power_off()
        run("ip", "route", "delete", self.config.pod_network, check=False)
        shutil.rmtree(self.config.state)
        shutil.rmtree(self.config.run, ignore_errors=True)

    def start_containerd(self) -> None:
        """Start containerd and wait until it takes the kubelet's calls."""
        daemon = self.containerd
        if not daemon.ensure():
            return
        socket = f"--socket={self.config.containerd_socket}"
        if not succeeds(self._built.hyperkube, "await-runtime", socket):
            raise daemon.failure("does not answer")

    @property
    def containerd(self) -> Daemon:
        """The container runtime."""
        argv = ["containerd", "--config", str(self.config.state / "containerd.toml")]
        return self._daemon("containerd", argv, self.enter())

    @property
    def kubelet(self) -> Daemon:
        """The kubelet, on the root folder that is private to the node."""
        argv = flags(
            config=self.config.state / "kubelet.json",
            kubeconfig=self.config.kubeconfig,
            hostname_override=self.config.name,
            node_ip=self.config.ip,
            root_dir=private_paths.DISK["kubelet"],
        )
        return self._server("kubelet", argv)

    def kubelet_started(self) -> float:
        """When the running kubelet was started, in seconds since 1970; infinite when it is off."""
        if not self.keeper.is_running() or not self.kubelet.is_running():
            return math.inf
        return self.kubelet.record.stat().st_mtime

    @property
    def proxy(self) -> Daemon:
        """kube-proxy; it must leave the host's connection tracking limits alone."""
        instance = self.config.instance
        argv = flags(
            kubeconfig=instance.state / "proxy.kubeconfig",
            hostname_override=self.config.name,
            cluster_cidr=instance.pod_network,
            proxy_mode="iptables",
            conntrack_max_per_core=0,
            conntrack_min=0,
            nodeport_addresses="127.0.0.1/32",
            healthz_bind_address="127.0.0.1:10256",
        )
        return self._server("kube-proxy", argv)

    @property
    def plugins(self) -> Daemon:
        """The storage driver and the fake GPUs' device plugin."""
        argv = flags(
            node=self.config.name,
            volumes=self.config.instance.volumes,
            registry=private_paths.DISK["kubelet"] / REGISTRY,
            gpus=self._gpus,
        )
        return self._server("node-plugins", argv)

    def _boot(self) -> None:
        self.power_off()  # what a crash left of the node before
        shutil.rmtree(self.config.run, ignore_errors=True)
        self.config.run.mkdir(parents=True)
        (self.config.state / "kubelet" / REGISTRY).mkdir(parents=True, exist_ok=True)
        create_node_pki(self.config)
        write_node_files(self.config)
        image_store.clone(self.config)
        cgroups.create(self.config.instance.name, self.config.name)
        self._create_namespaces()

    def _create_namespaces(self) -> None:
        keeper = self.keeper
        keeper.start()
        pid = keeper.pid()
        if pid is None or not wait_for(lambda: program(pid) == self._built.pause.name, 10, 0.01):
            raise keeper.failure("did not create the node's namespaces")
        script = f"hostname {self.config.name}\n{private_paths.mount_commands(self.config)}"
        run(*self.enter(), "sh", "-ec", script)
        network.connect(self.config, pid, self.enter())

    def _server(self, component: str, argv: Sequence[str]) -> Daemon:
        command = [str(self._built.hyperkube), component, *argv]
        return self._daemon(component, command, self.enter())

    def _daemon(self, name: str, argv: Sequence[str], enter: Sequence[str]) -> Daemon:
        node = self.config.name
        return Daemon(self.config.instance, f"{node}-{name}", argv, f"{node}/daemons", enter)
