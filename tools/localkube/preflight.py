"""What the machine must have; every gap is named with the way to fill it."""

import os
import shutil
from pathlib import Path

from localkube.config import STATE_ROOT, Instance
from localkube.errors import ClusterError
from localkube.shell import run, succeeds

PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "ss": "iproute2",
    "openssl": "openssl",
    "gcc": "gcc libc6-dev",
    "mkfs.ext4": "e2fsprogs",
    "nsenter": "util-linux",
    "unshare": "util-linux",
}
CNI_PLUGINS = Path("/usr/lib/cni")
FREE_GIB = 8
MODULES = ("overlay", "br_netfilter", "veth", "loop", "nf_conntrack")
ACCEPT = "iptables -w -A FORWARD -j ACCEPT"
# Each line is tried in a network namespace of its own, which is gone afterwards.
KERNEL_TRIALS = {
    "bridge devices (CONFIG_BRIDGE)": "ip link add trial0 type bridge",
    "veth devices (CONFIG_VETH)": "ip link add trial0 type veth peer name trial1",
    "iptables NAT (CONFIG_NF_NAT)": "iptables -w -t nat -A POSTROUTING -j MASQUERADE",
    "iptables comment match": f"{ACCEPT} -m comment --comment trial",
    "iptables conntrack match": f"{ACCEPT} -m conntrack --ctstate NEW",
    "iptables statistic match": f"{ACCEPT} -m statistic --mode random --probability 0.5",
    "bridge filtering (br_netfilter)": "test -e /proc/sys/net/bridge/bridge-nf-call-iptables",
}


def check_machine(instance: Instance) -> None:
    """Raise one error that lists all gaps."""
    if os.geteuid() != 0:
        raise ClusterError("the cluster makes namespaces and mounts: run it as root (sudo)")
    gaps = missing_tools() + missing_disk()
    if not gaps:
        gaps = missing_kernel_features()
    if not gaps and not instance.state.exists():
        gaps = taken_ports(instance, run("ss", "-Hltun"))
    if gaps:
        raise ClusterError("this machine lacks:\n" + "\n".join(f"  - {gap}" for gap in gaps))


def missing_tools() -> list[str]:
    """Programs that are not installed, with their Debian packages."""
    gaps = [
        f"{tool}: apt-get install {package}"
        for tool, package in PACKAGES.items()
        if not shutil.which(tool)
    ]
    if not (CNI_PLUGINS / "bridge").exists():
        gaps.append(f"{CNI_PLUGINS}/bridge: apt-get install containernetworking-plugins")
    return gaps


def missing_disk() -> list[str]:
    """Too little room for images."""
    existing = STATE_ROOT if STATE_ROOT.exists() else STATE_ROOT.parent
    free = shutil.disk_usage(existing).free / 2**30
    if free >= FREE_GIB:
        return []
    return [f"disk: {free:.1f} GiB free in {existing}, {FREE_GIB} needed"]


def missing_kernel_features() -> list[str]:
    """Features that a trial in a namespace of its own shows to be absent."""
    if shutil.which("modprobe"):
        succeeds("modprobe", "--all", "--quiet", *MODULES)
    gaps = [
        f"kernel: {feature}"
        for feature, command in KERNEL_TRIALS.items()
        if not succeeds("unshare", "--net", "sh", "-c", command)
    ]
    if "\toverlay\n" not in Path("/proc/filesystems").read_text():
        gaps.append("kernel: overlayfs (CONFIG_OVERLAY_FS)")
    if not succeeds("unshare", "--mount", "--pid", "--uts", "--fork", "true"):
        gaps.append("kernel: mount, process and host name namespaces (are you in a container?)")
    return gaps


def taken_ports(instance: Instance, listening: str) -> list[str]:
    """Ports of ours that others listen on; `listening` is the output of `ss -Hltun`."""
    wildcards = ("0.0.0.0", "*", "[::]")
    ours = {
        instance.host_ip: {6443, 53},
        instance.loopback_ip: {2379, 2380, 8080, 8181, 10257, 10259},
    }
    taken = set()
    for line in listening.splitlines():
        address, _, port = line.split()[4].rpartition(":")
        address = address.partition("%")[0]
        for own, ports in ours.items():
            if port.isdigit() and int(port) in ports and address in (*wildcards, own):
                taken.add(f"port {port}: {address} is in use; see `ss -ltunp`, and end that server")
    return sorted(taken)
