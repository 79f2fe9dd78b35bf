"""etcd, API server, controller manager and scheduler on the host."""

import socket
from pathlib import Path

from localkube.api import Api
from localkube.config import Instance
from localkube.daemons import Daemon
from localkube.shell import flags, wait_for

NODE_MONITOR_GRACE = "16s"


def etcd(instance: Instance, hyperkube: Path) -> Daemon:
    """The store; loopback only, and only for holders of our certificates."""
    url = f"https://{instance.loopback_ip}"
    pki = instance.pki
    argv = [
        *(str(hyperkube), "etcd"),
        *flags(
            name="etcd",
            data_dir=instance.state / "etcd",
            listen_client_urls=f"{url}:2379",
            advertise_client_urls=f"{url}:2379",
            listen_peer_urls=f"{url}:2380",
            initial_advertise_peer_urls=f"{url}:2380",
            initial_cluster=f"etcd={url}:2380",
            log_level="warn",
        ),
        "--unsafe-no-fsync",
    ]
    for prefix in ("", "peer-"):
        argv += [f"--{prefix}cert-file={pki}/etcd.crt", f"--{prefix}key-file={pki}/etcd.key"]
        argv += [f"--{prefix}trusted-ca-file={pki}/ca.crt", f"--{prefix}client-cert-auth"]
    return Daemon(instance, "etcd", argv)


def apiserver(instance: Instance, hyperkube: Path) -> Daemon:
    """The API server on the bridge's address."""
    pki = instance.pki
    argv = flags(
        bind_address=instance.host_ip,
        advertise_address=instance.host_ip,
        secure_port=6443,
        etcd_servers=f"https://{instance.loopback_ip}:2379",
        etcd_cafile=pki / "ca.crt",
        etcd_certfile=pki / "etcd.crt",
        etcd_keyfile=pki / "etcd.key",
        service_cluster_ip_range=instance.service_network,
        tls_cert_file=pki / "apiserver.crt",
        tls_private_key_file=pki / "apiserver.key",
        client_ca_file=pki / "ca.crt",
        kubelet_client_certificate=pki / "apiserver-kubelet-client.crt",
        kubelet_client_key=pki / "apiserver-kubelet-client.key",
        kubelet_certificate_authority=pki / "ca.crt",
        kubelet_preferred_address_types="InternalIP",
        service_account_issuer="https://kubernetes.default.svc",
        service_account_key_file=pki / "sa.pub",
        service_account_signing_key_file=pki / "sa.key",
        authorization_mode="Node,RBAC",
        enable_admission_plugins="NodeRestriction",
        allow_privileged="true",
        profiling="false",
    )
    return Daemon(instance, "kube-apiserver", [str(hyperkube), "kube-apiserver", *argv])


def controller_manager(instance: Instance, hyperkube: Path) -> Daemon:
    """The controllers; a silent node counts as lost after NODE_MONITOR_GRACE."""
    pki = instance.pki
    argv = flags(
        bind_address=instance.loopback_ip,
        kubeconfig=instance.state / "controller-manager.kubeconfig",
        use_service_account_credentials="true",
        service_account_private_key_file=pki / "sa.key",
        root_ca_file=pki / "ca.crt",
        cluster_signing_cert_file=pki / "ca.crt",
        cluster_signing_key_file=pki / "ca.key",
        leader_elect="false",
        node_monitor_period="2s",
        node_monitor_grace_period=NODE_MONITOR_GRACE,
    )
    command = [str(hyperkube), "kube-controller-manager", *argv]
    return Daemon(instance, "kube-controller-manager", command)


def scheduler(instance: Instance, hyperkube: Path) -> Daemon:
    """The scheduler."""
    argv = flags(
        bind_address=instance.loopback_ip,
        kubeconfig=instance.state / "scheduler.kubeconfig",
        leader_elect="false",
    )
    return Daemon(instance, "kube-scheduler", [str(hyperkube), "kube-scheduler", *argv])


def start_api(instance: Instance, hyperkube: Path, seconds: float = 60) -> None:
    """Start etcd and the API server, and wait until the latter is ready."""
    store, server = etcd(instance, hyperkube), apiserver(instance, hyperkube)
    store.ensure()
    if not wait_for(lambda: not store.is_running() or _listens(instance), 20):
        raise store.failure("does not listen")
    if not store.is_running():
        raise store.failure("ended at once; if its files are damaged, run `down`, then `up`")
    server.ensure()
    api = Api(instance)
    wait_for(lambda: api.is_ready() or not server.is_running(), seconds)
    if not server.is_running() or not api.is_ready():
        raise server.failure(f"was not ready after {seconds:.0f} s")


def start_controllers(instance: Instance, hyperkube: Path) -> None:
    """Start what acts through the API server."""
    controller_manager(instance, hyperkube).ensure()
    scheduler(instance, hyperkube).ensure()


def _listens(instance: Instance) -> bool:
    try:
        socket.create_connection((instance.loopback_ip, 2379), timeout=1).close()
    except OSError:
        return False
    return True
