"""Keys, certificates and kubeconfigs, all signed by one authority of the instance."""

import base64
import json
from pathlib import Path

from localkube.config import CLUSTER_DOMAIN, Instance, NodeConfig
from localkube.shell import run

VALID_DAYS = "3650"
KEY_OPTIONS = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
EXTENSIONS = (
    "keyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"
    "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
)


def create_cluster_pki(instance: Instance) -> None:
    """Everything that the control plane needs; what exists stays."""
    pki = instance.pki
    pki.mkdir(parents=True, exist_ok=True)
    pki.chmod(0o700)
    _authority(pki)
    _service_account_keys(pki)
    issue(instance, "etcd", "/CN=etcd", f"IP:{instance.loopback_ip}")
    issue(instance, "apiserver", "/CN=kube-apiserver", _api_names(instance))
    issue(instance, "apiserver-kubelet-client", "/O=system:masters/CN=apiserver-kubelet-client")
    for name, subject in {
        "admin": "/O=system:masters/CN=admin",
        "controller-manager": "/CN=system:kube-controller-manager",
        "scheduler": "/CN=system:kube-scheduler",
        "proxy": "/CN=system:kube-proxy",
    }.items():
        issue(instance, name, subject)
        write_kubeconfig(instance, name, instance.state / f"{name}.kubeconfig")


def create_node_pki(node: NodeConfig) -> None:
    """The kubelet's certificate and kubeconfig."""
    subject = f"/O=system:nodes/CN=system:node:{node.name}"
    issue(node.instance, node.name, subject, f"IP:{node.ip},DNS:{node.name}")
    write_kubeconfig(node.instance, node.name, node.kubeconfig)


def issue(instance: Instance, name: str, subject: str, names: str = "") -> None:
    """Create `name.key` and `name.crt` for the subject, unless they exist."""
    base = instance.pki / name
    if base.with_suffix(".crt").exists():
        return
    request = run(
        "openssl", "req", *KEY_OPTIONS, "-keyout", base.with_suffix(".key"), "-subj", subject
    )
    extensions = base.with_suffix(".ext")
    extensions.write_text(EXTENSIONS + (f"subjectAltName={names}\n" if names else ""))
    certificate = run(
        *("openssl", "x509", "-req", "-days", VALID_DAYS, "-extfile", extensions),
        *("-CA", instance.pki / "ca.crt", "-CAkey", instance.pki / "ca.key"),
        *("-CAserial", instance.pki / "ca.srl", "-CAcreateserial"),
        stdin=request,
    )
    extensions.unlink()
    base.with_suffix(".crt").write_text(certificate)


def write_kubeconfig(instance: Instance, user: str, path: Path) -> None:
    """Write a kubeconfig (JSON is YAML) that only root may read."""
    cluster = {
        "server": instance.api_url,
        "certificate-authority-data": _encoded(instance.pki / "ca.crt"),
    }
    credentials = {
        "client-certificate-data": _encoded(instance.pki / f"{user}.crt"),
        "client-key-data": _encoded(instance.pki / f"{user}.key"),
    }
    name = f"localkube-{instance.name}"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=2))


def _authority(pki: Path) -> None:
    if not (pki / "ca.crt").exists():
        run(
            *("openssl", "req", "-x509", *KEY_OPTIONS, "-days", VALID_DAYS),
            *("-subj", "/CN=localkube-ca", "-keyout", pki / "ca.key", "-out", pki / "ca.crt"),
            # Python 3.13 and newer refuse an authority that does not say what its key is for.
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )


def _service_account_keys(pki: Path) -> None:
    if not (pki / "sa.pub").exists():
        key = pki / "sa.key"
        run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        run("openssl", "ec", "-in", key, "-pubout", "-out", pki / "sa.pub")


def _api_names(instance: Instance) -> str:
    service = "kubernetes.default.svc"
    hosts = ["localhost", "kubernetes", "kubernetes.default", service]
    hosts.append(f"{service}.{CLUSTER_DOMAIN}")
    addresses = [instance.api_service_ip, instance.host_ip, "127.0.0.1"]
    return ",".join([f"IP:{ip}" for ip in addresses] + [f"DNS:{host}" for host in hosts])


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
