"""What the operator was installed with."""

from dataclasses import dataclass
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from nerf_cli.cluster import Cluster
from nerf_cli.errors import UserError
from nerf_contract import names

#: How the Helm chart labels the operator's Deployment.
SELECTOR = f"{names.LABEL_APP}={names.FIELD_MANAGER}"


@dataclass(frozen=True)
class Installed:
    """Images of an operator and of its trainers."""

    operator: str
    trainer: str | None


def find(cluster: Cluster) -> Installed | None:
    """What is installed; None where there is none, or we may not look."""
    apps = client.AppsV1Api(cluster.api)
    try:
        found = apps.list_deployment_for_all_namespaces(label_selector=SELECTOR).items
    except ApiException as error:
        if error.status == 403:
            return None
        raise
    return _installed(found[0]) if found else None


def _installed(deployment: Any) -> Installed:
    container = deployment.spec.template.spec.containers[0]
    values = {variable.name: variable.value for variable in container.env or []}
    return Installed(container.image, values.get(names.ENV_TRAINER_IMAGE) or None)


def trainer(cluster: Cluster, given: str | None) -> str:
    """The image for a pod that copies. Raises UserError where it cannot be known."""
    installed = None if given else find(cluster)
    image = given or (installed.trainer if installed else None)
    if image is None:
        raise UserError(
            "The operator's Deployment is not there, or you may not list Deployments, so that its "
            "trainer image is not known. Name an image with a shell, GNU tar and coreutils by "
            "--image."
        )
    return image
