"""CoreDNS on the host, behind the service `kube-dns`."""

import urllib.request
from pathlib import Path

from localkube.api import Api, Object
from localkube.config import CLUSTER_DOMAIN, Instance
from localkube.daemons import Daemon
from localkube.shell import wait_for

SERVICE = "/api/v1/namespaces/kube-system/services/kube-dns"
ENDPOINTS = "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices/kube-dns-host"
CACHE_SECONDS = 5
PORTS = [
    {"name": "dns", "port": 53, "protocol": "UDP"},
    {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
]


def corefile(instance: Instance) -> str:
    """CoreDNS's configuration: the cluster's names, then whatever the host can resolve."""
    return f"""\
.:53 {{
  bind {instance.host_ip}
  errors
  health {instance.loopback_ip}:8080
  ready {instance.loopback_ip}:8181
  kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
    kubeconfig {instance.kubeconfig}
    pods insecure
    ttl {CACHE_SECONDS}
  }}
  forward . /etc/resolv.conf
  cache {CACHE_SECONDS}
}}
"""


def daemon(instance: Instance, hyperkube: Path) -> Daemon:
    """The DNS server."""
    path = instance.state / "Corefile"
    path.write_text(corefile(instance))
    return Daemon(instance, "coredns", [str(hyperkube), "coredns", "-conf", str(path)])


def start(instance: Instance, hyperkube: Path) -> None:
    """Start the server and publish its address; `wait_ready` says when it answers."""
    daemon(instance, hyperkube).ensure()
    api = Api(instance)
    api.apply(SERVICE, _service(instance))
    api.apply(ENDPOINTS, _endpoints(instance))


def wait_ready(instance: Instance, hyperkube: Path, seconds: float = 30) -> None:
    """Wait until the server has read the cluster's services."""
    server = daemon(instance, hyperkube)
    if not wait_for(lambda: _is_ready(instance), seconds):
        raise server.failure(f"was not ready after {seconds:.0f} s")


def _is_ready(instance: Instance) -> bool:
    try:
        with urllib.request.urlopen(f"http://{instance.loopback_ip}:8181/ready", timeout=2) as page:
            return bool(page.status == 200)
    except OSError:
        return False


def _service(instance: Instance) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"clusterIP": instance.dns_ip, "ports": PORTS},
    }


def _endpoints(instance: Instance) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kube-dns-host",
            "namespace": "kube-system",
            "labels": {"kubernetes.io/service-name": "kube-dns"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [instance.host_ip], "conditions": {"ready": True}}],
        "ports": PORTS,
    }
