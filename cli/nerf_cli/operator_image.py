"""What the operator was installed with."""

from dataclasses import dataclass

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from nerf_cli.cluster import Cluster, Object
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
    try:
        found = deployments(cluster)
    except ApiException as error:
        if error.status == 403:
            return None
        raise
    return _installed(found[0]) if found else None


def deployments(cluster: Cluster) -> list[Object]:
    """Of operators, in all namespaces."""
    apps = client.AppsV1Api(cluster.api)
    return cluster.plain(apps.list_deployment_for_all_namespaces(label_selector=SELECTOR).items)


def environment(deployment: Object) -> dict[str, str]:
    """Environment variables of an operator that have a value of their own."""
    variables = _container(deployment).get("env") or []
    return {variable["name"]: variable.get("value") or "" for variable in variables}


def _container(deployment: Object) -> Object:
    found: Object = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


def _installed(deployment: Object) -> Installed:
    trainer_image = environment(deployment).get(names.ENV_TRAINER_IMAGE) or None
    return Installed(_container(deployment)["image"], trainer_image)


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
