"""Storage classes and the controller that makes their volumes."""

from pathlib import Path

from localkube.api import Api, Object
from localkube.config import Instance
from localkube.daemons import Daemon

DRIVER = "storage.localkube"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"


def driver() -> Object:
    """The CSI driver's entry; `attachRequired` brings a cloud disk's one-node rule."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {"name": DRIVER},
        "spec": {"attachRequired": True, "podInfoOnMount": False, "fsGroupPolicy": "File"},
    }


def storage_class(name: str, parameters: dict[str, str], binding: str, default: bool) -> Object:
    """One storage class of the local driver."""
    annotation = "storageclass.kubernetes.io/is-default-class"
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "annotations": {annotation: str(default).lower()}},
        "provisioner": DRIVER,
        "parameters": parameters,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": binding,
    }


def classes() -> list[Object]:
    """`standard`: a cloud disk; `shared`: a network file system; `small`: a disk that fills up."""
    return [
        storage_class("standard", {"sharing": "node"}, "WaitForFirstConsumer", True),
        storage_class("shared", {"sharing": "cluster"}, "Immediate", False),
        storage_class(
            "small", {"sharing": "node", "medium": "loop"}, "WaitForFirstConsumer", False
        ),
    ]


def controller(instance: Instance, hyperkube: Path) -> Daemon:
    """The process that provisions, attaches and deletes volumes."""
    arguments = [f"--kubeconfig={instance.kubeconfig}", f"--volumes={instance.volumes}"]
    return Daemon(
        instance, "storage-controller", [str(hyperkube), "storage-controller", *arguments]
    )


def start(instance: Instance, hyperkube: Path) -> None:
    """Declare the driver and its classes, and start the controller."""
    api = Api(instance)
    api.apply(f"/apis/storage.k8s.io/v1/csidrivers/{DRIVER}", driver())
    for manifest in classes():
        api.apply(f"{CLASSES}/{manifest['metadata']['name']}", manifest)
    instance.volumes.mkdir(exist_ok=True)
    controller(instance, hyperkube).ensure()
