"""The configuration files of a node's servers."""

import json
from typing import Any

from localkube import cgroups
from localkube.config import CLUSTER_DOMAIN, NodeConfig
from localkube.pause_image import PAUSE_IMAGE

# Snapshotters and services that we do not use, and that would leave folders on the host.
UNUSED_PLUGINS = [
    "io.containerd.internal.v1.opt",
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.native",
    "io.containerd.snapshotter.v1.zfs",
]
KEPT_FREE = {
    "memory.available": "100Mi",
    "nodefs.available": "1%",
    "nodefs.inodesFree": "1%",
    "imagefs.available": "1%",
}


def write_node_files(node: NodeConfig) -> None:
    """Write all files to the node's disk."""
    (node.state / "cni").mkdir(parents=True, exist_ok=True)
    (node.state / "cni" / "10-bridge.conflist").write_text(json.dumps(cni(node), indent=2))
    (node.state / "kubelet.json").write_text(json.dumps(kubelet(node), indent=2))
    (node.state / "containerd.toml").write_text(containerd(node))


def cni(node: NodeConfig) -> dict[str, Any]:
    """A bridge for the pods of this node; other nodes are reached by routes."""
    ranges = [[{"subnet": node.pod_network}]]
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(node.run / "ipam"),
            "ranges": ranges,
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "localkube", "plugins": [bridge, ports]}


def kubelet(node: NodeConfig) -> dict[str, Any]:
    """The kubelet's configuration."""
    pki = node.instance.pki
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.ip,
        "healthzBindAddress": "127.0.0.1",
        "failCgroupV1": False,
        "failSwapOn": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroups.base(node.instance.name)}/{node.name}",
        "clusterDNS": [node.instance.dns_ip],
        "clusterDomain": CLUSTER_DOMAIN,
        "containerRuntimeEndpoint": f"unix://{node.containerd_socket}",
        "tlsCertFile": str(pki / f"{node.name}.crt"),
        "tlsPrivateKeyFile": str(pki / f"{node.name}.key"),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "nodeStatusUpdateFrequency": "2s",
        "nodeLeaseDurationSeconds": 10,
        "resolvConf": "/etc/resolv.conf",
        "imageGCHighThresholdPercent": 100,
        "evictionHard": KEPT_FREE,
    }


def containerd(node: NodeConfig) -> str:
    """containerd's configuration.

    Without `restrict_oom_score_adj` sandboxes die early where the score may not be lowered.
    """
    return f"""\
version = 2
root = "{node.containerd_root}"
state = "{node.run}/containerd"
disabled_plugins = {json.dumps(UNUSED_PLUGINS)}
[grpc]
address = "{node.containerd_socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
disable_tcp_service = true
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{node.state}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""
