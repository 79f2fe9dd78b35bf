"""What the node's servers are told."""

import tomllib

from localkube.config import Instance
from localkube.dns import corefile
from localkube.node_files import cni, containerd, kubelet
from localkube.pause_image import PAUSE_IMAGE
from localkube.storage import classes

NODE = Instance("lk2").node(3)


def test_the_kubelet_binds_only_the_nodes_address_and_loopback() -> None:
    config = kubelet(NODE)
    assert config["address"] == NODE.ip
    assert config["healthzBindAddress"] == "127.0.0.1"
    assert config["authentication"]["anonymous"] == {"enabled": False}


def test_containerd_reads_its_file_and_keeps_to_the_nodes_folders() -> None:
    config = tomllib.loads(containerd(NODE))
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    assert config["root"].startswith(f"{NODE.state}/")
    assert config["state"].startswith(f"{NODE.run}/")
    assert cri["disable_tcp_service"] is True
    assert cri["sandbox_image"] == PAUSE_IMAGE


def test_the_pods_of_a_node_get_addresses_of_its_network() -> None:
    (bridge, _) = cni(NODE)["plugins"]
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.246.3.0/24"}]]


def test_dns_binds_only_the_bridge_and_caches_briefly() -> None:
    text = corefile(NODE.instance)
    assert f"bind {NODE.instance.host_ip}" in text
    assert "cache 5" in text


def test_one_storage_class_is_the_default_and_only_shared_is_shared() -> None:
    annotation = "storageclass.kubernetes.io/is-default-class"
    named = {c["metadata"]["name"]: c for c in classes()}
    defaults = [n for n, c in named.items() if c["metadata"]["annotations"][annotation] == "true"]
    shared = [n for n, c in named.items() if c["parameters"]["sharing"] == "cluster"]
    assert defaults == ["standard"]
    assert shared == ["shared"]
