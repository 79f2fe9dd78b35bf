"""The cluster that commands talk to, and the jobs on it."""

import logging
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from nerf_cli.errors import UserError, missing, no_job
from nerf_cli.meter import Say
from nerf_cli.patience import PatientClient, TimedClient
from nerf_contract import names

Object = dict[str, Any]
#: Group, version and plural, as the client wants them; a namespace lies between.
_GROUP_VERSION = (names.GROUP, names.VERSION)
#: Seconds to connect and to answer, before the cluster counts as away.
PROBE_TIMEOUT = (5, 15)


@dataclass(frozen=True)
class Cluster:
    """A cluster and a namespace of it. kubectl: the command that talks to the same."""

    api: Any
    namespace: str
    kubectl: tuple[str, ...]

    @property
    def core(self) -> Any:
        """Pods, claims, Services, Secrets, events."""
        return client.CoreV1Api(self.api)

    @property
    def custom(self) -> Any:
        """NeRFJobs."""
        return client.CustomObjectsApi(self.api)

    @property
    def leases(self) -> Any:
        """Who of several works."""
        return client.CoordinationV1Api(self.api)

    def patient(self, say: Say) -> "Cluster":
        """The same, waited for where it is away for a short while."""
        return replace(self, api=PatientClient(self.api.configuration, say))

    def find_job(self, name: str) -> Object | None:
        """The job, or None where there is none of that name."""
        try:
            job: Object = self.custom.get_namespaced_custom_object(*self._path(), name)
            return job
        except ApiException as error:
            if missing(error):
                return None
            raise

    def job(self, name: str) -> Object:
        """The job. Raises UserError where there is none."""
        job = self.find_job(name)
        if job is None:
            raise no_job(name, self.namespace)
        return job

    def check_job(self, job: Object, taken: bool) -> None:
        """Have the API server check it by all its rules; unnamed where its name is taken."""
        if taken:
            unnamed = {k: v for k, v in job["metadata"].items() if k != "name"}
            job = job | {"metadata": unnamed | {"generateName": "check-"}}
        self.custom.create_namespaced_custom_object(*self._path(), job, dry_run="All")

    def create_job(self, job: Object) -> None:
        """Create it."""
        self.custom.create_namespaced_custom_object(*self._path(), job)

    def delete_job(self, name: str) -> None:
        """Ask for its deletion. Its pods and the volume made for it follow."""
        self.custom.delete_namespaced_custom_object(*self._path(), name)

    def children(self, name: str, uid: str) -> list[str]:
        """Names of what goes with the job of this UID, if there still is any of it."""
        core, selector = self.core, f"{names.LABEL_JOB}={name}"
        lists = (
            core.list_namespaced_pod,
            core.list_namespaced_service,
            core.list_namespaced_persistent_volume_claim,
        )
        found = (list_(self.namespace, label_selector=selector).items for list_ in lists)
        there = self.plain([item for items in found for item in items])
        return [item["metadata"]["name"] for item in there if _owned(item, uid)]

    def scale_job(self, name: str, workers: int) -> None:
        """Ask for so many worker pods."""
        body = {"spec": {"replicas": workers}}
        self.custom.patch_namespaced_custom_object_scale(*self._path(), name, body)

    def patch_job(self, name: str, changes: Object) -> None:
        """Change fields of a job's spec or metadata; those not named stay. Raises ApiException."""
        self.custom.patch_namespaced_custom_object(*self._path(), name, changes)

    def pods(self, selector: str = "") -> list[Object]:
        """Pods of the namespace, as the API writes them."""
        return self.plain(
            self.core.list_namespaced_pod(self.namespace, label_selector=selector).items
        )

    def job_pods(self, name: str) -> list[Object]:
        """Pods that the operator made for a job."""
        return self.pods(f"{names.LABEL_JOB}={name}")

    def plain(self, found: Any) -> list[Object]:
        """Objects of the client as the API writes them."""
        objects: list[Object] = self.api.sanitize_for_serialization(found)
        return objects

    def _path(self) -> tuple[str, ...]:
        return (*_GROUP_VERSION, self.namespace, names.PLURAL)


def _owned(found: Object, uid: str) -> bool:
    return any(owner["uid"] == uid for owner in found["metadata"].get("ownerReferences", ()))


def connect(namespace: str | None, context: str | None, kubeconfig: Path | None) -> Cluster:
    """The cluster that these options name, or that kubectl would use without them.

    Raises UserError, or what `errors.sentence` explains where it does not answer.
    """
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    file = str(kubeconfig) if kubeconfig else None
    configuration = client.Configuration()
    config.load_kube_config(file, context, client_configuration=configuration)
    configuration.retries = 1  # Of a connection that ended between two requests.
    api = TimedClient(configuration)
    client.VersionApi(api).get_code(_request_timeout=PROBE_TIMEOUT)
    namespace = namespace or _default_namespace(file, context)
    options = {"--kubeconfig": file, "--context": context, "--namespace": namespace}
    flags = [f"{option}={value}" for option, value in options.items() if value]
    return Cluster(api, namespace, ("kubectl", *flags))


def _default_namespace(file: str | None, context: str | None) -> str:
    contexts, active = config.list_kube_config_contexts(config_file=file)
    chosen = next((c for c in contexts if c["name"] == context), active)
    return str(chosen.get("context", {}).get("namespace") or "default")


def need_kubectl() -> None:
    """Raises UserError where kubectl is not there: files and the viewer go through it."""
    if shutil.which("kubectl") is None:
        raise UserError("kubectl is not on the PATH; it is needed to reach into pods. Install it.")
