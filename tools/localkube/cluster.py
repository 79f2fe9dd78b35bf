"""Bringing the cluster up, step by step; every step does only what is missing."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from localkube import (
    cgroups,
    control_plane,
    dns,
    image_store,
    network,
    private_paths,
    storage,
    sysctls,
)
from localkube.api import Api, Object
from localkube.build import Built, Report, build
from localkube.config import MAX_NODES, Instance
from localkube.errors import ClusterError
from localkube.node import Node
from localkube.pki import create_cluster_pki
from localkube.preflight import check_machine
from localkube.shell import tail, wait_for

GPU = "nvidia.com/gpu"
READY_SECONDS = 90


class Cluster:
    """One instance with what it was asked to be."""

    def __init__(self, instance: Instance, nodes: int, gpus: int, built: Built) -> None:
        if not 1 <= nodes <= MAX_NODES:
            raise ClusterError(f"a cluster has 1 to {MAX_NODES} nodes, not {nodes}")
        if gpus < 0:
            raise ClusterError(f"a node has 0 or more GPUs, not {gpus}")
        self.instance = instance
        self.gpus = gpus
        self.built = built
        self.nodes = [Node(instance.node(i), built, gpus) for i in range(1, nodes + 1)]

    @classmethod
    def existing(cls, instance: Instance, report: Report) -> "Cluster":
        """The cluster as it was last brought up."""
        try:
            wanted = json.loads(_wanted(instance).read_text())
        except FileNotFoundError:
            raise ClusterError("no cluster is up: run `localkube up`") from None
        return cls(instance, wanted["nodes"], wanted["gpus"], build(report))

    def node(self, name: str) -> Node:
        """The node of this name."""
        config = self.instance.node_named(name)
        return Node(config, self.built, self.gpus)

    def up(self, report: Report) -> None:
        """Bring everything up; returns when all nodes are ready and DNS answers."""
        with _step("state, keys, network", report):
            self._prepare()
        with _step("images", report):
            image_store.add(self.instance, [image_store.read_archive(self.built.pause_archive)])
        with _step("etcd and API server", report):
            control_plane.start_api(self.instance, self.built.hyperkube)
        with _step("controllers, DNS, storage", report):
            control_plane.start_controllers(self.instance, self.built.hyperkube)
            dns.start(self.instance, self.built.hyperkube)
            storage.start(self.instance, self.built.hyperkube)
        with _step(f"{len(self.nodes)} nodes started", report):
            self._remove_surplus_nodes()
            for node in self.nodes:
                node.power_on()
                network.mend(node.config)
                node.start_services()
            self.connect_nodes()
        with _step("nodes Ready, DNS answers", report):
            self.wait_ready()
            dns.wait_ready(self.instance, self.built.hyperkube)
            self._wait_default_account()

    def connect_nodes(self) -> None:
        """Lay the routes between the nodes that are on, and the host's to cluster IPs."""
        on = [node for node in self.nodes if node.keeper.is_running()]
        network.join_pod_networks(self.instance, {n.config.name: n.enter() for n in on})
        reachable = [node.config for node in on if not network.is_cut(node.config)]
        if reachable:
            network.route_services(self.instance, reachable[0])

    def wait_ready(self) -> None:
        """Wait until all nodes are Ready with their GPUs and the storage driver."""
        if not wait_for(self._is_settled, READY_SECONDS, 0.2) or self.unready():
            logs = [node.kubelet.log for node in self.nodes if node.config.name in self.unready()]
            ends = "\n".join(f"--- end of {log}\n{tail(log)}" for log in logs)
            raise ClusterError(f"nodes are not ready: {self.unready()}\n{ends}")

    def _is_settled(self) -> bool:
        """Whether all nodes are ready, or waiting is in vain as a kubelet has ended."""
        kubelets = [node.kubelet.is_running() for node in self.nodes]
        return not all(kubelets) or not self.unready()

    def unready(self) -> dict[str, str]:
        """What each node still lacks."""
        api = Api(self.instance)
        nodes = {n["metadata"]["name"]: n for n in api.get("/api/v1/nodes")["items"]}
        drivers = {
            n["metadata"]["name"]: n["spec"].get("drivers") or []
            for n in api.get("/apis/storage.k8s.io/v1/csinodes")["items"]
        }
        lacks = {}
        for node in self.nodes:
            name = node.config.name
            has_driver = bool(drivers.get(name))
            missing = lacking(nodes.get(name), has_driver, self.gpus, node.kubelet_started())
            if missing:
                lacks[name] = missing
        return lacks

    def _wait_default_account(self) -> None:
        """Pods of the default namespace are refused before its service account exists."""
        api = Api(self.instance)
        path = "/api/v1/namespaces/default/serviceaccounts/default"
        if not wait_for(lambda: api.find(path), READY_SECONDS):
            manager = control_plane.controller_manager(self.instance, self.built.hyperkube)
            raise manager.failure("made no service account in the default namespace")

    def _prepare(self) -> None:
        for folder in (self.instance.state, self.instance.run, self.instance.logs):
            folder.mkdir(parents=True, exist_ok=True)
        wanted = {"nodes": len(self.nodes), "gpus": self.gpus}
        _wanted(self.instance).write_text(json.dumps(wanted))
        sysctls.save_and_set()
        private_paths.make_targets()
        create_cluster_pki(self.instance)
        network.ensure_host_network(self.instance)

    def _remove_surplus_nodes(self) -> None:
        wanted = {node.config.name for node in self.nodes}
        for config in self.instance.known_nodes():
            if config.name not in wanted:
                Node(config, self.built, self.gpus).remove()
                Api(self.instance).delete(f"/api/v1/nodes/{config.name}")
                cgroups.remove(self.instance.name, config.name)


def lacking(node: Object | None, has_driver: bool, gpus: int, since: float) -> str:
    """What this Node object lacks to take pods; empty when nothing.

    A heartbeat from before `since` (the kubelet's start, in seconds since 1970) does not count.
    """
    if node is None:
        return "not registered"
    conditions = {c["type"]: c for c in node["status"].get("conditions", [])}
    ready = conditions.get("Ready")
    if ready is None or _seconds(ready["lastHeartbeatTime"]) + 1 < since:
        return "no heartbeat yet"
    if ready["status"] != "True":
        return str(ready["message"])
    if not has_driver:
        return "storage driver not registered"
    if int(node["status"]["allocatable"].get(GPU, 0)) != gpus:
        return f"{GPU} is not {gpus}"
    return ""


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()


def bring_up(instance: Instance, nodes: int, gpus: int, report: Report) -> None:
    """Check the machine, build what is missing, and bring the cluster up."""
    with _step("preflight", report):
        check_machine(instance)
    Cluster(instance, nodes, gpus, build(report)).up(report)


def _wanted(instance: Instance) -> Path:
    return instance.state / "cluster.json"


@contextmanager
def _step(name: str, report: Callable[[str], None]) -> Iterator[None]:
    started = time.monotonic()
    yield
    report(f"{time.monotonic() - started:5.1f} s  {name}")
