"""The sections of the chart's values."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from nerf_contract import names
from nerf_contract.base import Model
from nerf_contract.v1alpha1.types import LabelKey, LabelValue, Name, Quantity

JsonSchema = dict[str, Any]
Labels = dict[LabelKey, LabelValue]
Annotations = dict[LabelKey, str]
Amounts = dict[Literal["cpu", "memory", "ephemeral-storage"], Quantity | float]
Object = dict[str, Any]


def _demand_all(schema: JsonSchema) -> None:
    """A value that was deleted by a null is missed by name, not by a template that stumbles."""
    schema["required"] = list(schema["properties"])


class Section(Model):
    """A mapping of the values whose keys have defaults, and are all there."""

    model_config = ConfigDict(json_schema_extra=_demand_all)


class Image(Section):
    """The operator's own image."""

    registry: str = Field(
        default="localhost",
        description="Where all images are pulled from, such as `registry.example.com/me`. No "
        "public ones exist yet: `localhost` is a name that `make images-load` brings to the nodes. "
        "If empty, the nodes ask their default registry (Docker Hub), where there are none.",
    )
    repository: str = Field(
        default="nerf-operator",
        pattern=r"^[a-z0-9]+([._/-]+[a-z0-9]+)*$",
        description="Name of the image in the registry.",
    )
    tag: str = Field(
        default="dev",
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$",
        description="Tag of the image.",
    )
    digest: str = Field(
        default="",
        pattern="^(sha256:[0-9a-f]{64})?$",
        description="Digest of the image, which then counts instead of the tag.",
    )
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        default="IfNotPresent", description="When the nodes pull it."
    )


class PullSecret(Model):
    """A Secret, by its name."""

    name: Name = Field(description="Name of the Secret.")


class Crds(Section):
    """The CustomResourceDefinition of NeRFJobs."""

    install: bool = Field(
        default=True,
        description="Install and upgrade it with the release. It stays when the release is "
        "uninstalled, and so do the jobs. `false` for a second release in the cluster.",
    )


class ServiceAccount(Section):
    """What the operator is to the API server."""

    create: bool = Field(default=True, description="Make a ServiceAccount.")
    name: str = Field(
        default="",
        pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$",
        description="Its name; that of the release if empty.",
    )
    annotations: Annotations = Field(default_factory=dict, description="Its annotations.")


class Rbac(Section):
    """Rights: the operator's, and those of people."""

    create: bool = Field(
        default=True,
        description="Give the operator exactly what it uses: by a ClusterRole, or with "
        "`watchNamespaces` by a Role in each of them.",
    )
    user_roles: bool = Field(
        default=True,
        description="Whoever has the ClusterRole `view` in a namespace may read its NeRFJobs, "
        "whoever has `edit` or `admin` may also write them (aggregated ClusterRoles).",
    )


class Resources(Model):
    """Requests and limits of the operator's container."""

    requests: Amounts = Field(
        default={"cpu": "50m", "memory": "96Mi", "ephemeral-storage": "16Mi"},
        description="What is reserved. A thousand jobs take 150 MB.",
    )
    limits: Amounts = Field(
        default={"memory": "256Mi", "ephemeral-storage": "64Mi"},
        description="What it may use at most. No limit of CPU: a throttled operator is late.",
    )


class Affinity(Model):
    """Affinities, as in a pod."""

    node_affinity: Object | None = Field(default=None, description="By labels of nodes.")
    pod_affinity: Object | None = Field(default=None, description="Pods to be beside.")
    pod_anti_affinity: Object | None = Field(default=None, description="Pods to keep from.")


class PodMonitor(Section):
    """How the Prometheus Operator has operator and workers scraped, where its API is served."""

    enabled: bool = Field(default=True, description="Make PodMonitors.")
    interval: str = Field(
        default="15s", pattern="^[0-9]+(ms|s|m)$", description="Time between scrapes."
    )
    labels: Labels = Field(
        default_factory=dict,
        description="Labels by which your Prometheus selects monitors and rules, such as "
        "`release: kube-prometheus-stack`.",
    )


class Rules(Section):
    """Recording rules and alerts, where the Prometheus Operator's API is served."""

    enabled: bool = Field(default=True, description="Make a PrometheusRule, beside PodMonitors.")


class Metrics(Section):
    """What Prometheus is told."""

    pod_monitor: PodMonitor = Field(default_factory=PodMonitor)
    rules: Rules = Field(default_factory=Rules)
    scrape_annotations: bool = Field(
        default=True,
        description="Where the Prometheus Operator's API is not served, annotate the operator's "
        "pod with `prometheus.io/scrape`, `port` and `path`.",
    )


class GrafanaOperator(Section):
    """A GrafanaDashboard for each ConfigMap, where the API of grafana-operator is served."""

    enabled: bool = Field(default=False, description="Make GrafanaDashboards.")
    instance_labels: Labels = Field(
        default={"dashboards": "grafana"},
        description="Labels of the Grafana objects that are to show them, in any namespace.",
    )
    folder: str = Field(default="NeRF", max_length=190, description="Grafana's folder.")


class Dashboards(Section):
    """Grafana dashboards as ConfigMaps, for the sidecar that collects them."""

    enabled: bool = Field(default=True, description="Make a ConfigMap for each.")
    namespace: str = Field(
        default="",
        max_length=63,
        description="Where Grafana's sidecar looks; the release's if empty.",
    )
    labels: Labels = Field(
        default={"grafana_dashboard": "1"}, description="What the sidecar looks for."
    )
    annotations: Annotations = Field(
        default_factory=dict, description="Such as `grafana_folder: NeRF`."
    )
    grafana_operator: GrafanaOperator = Field(default_factory=GrafanaOperator)


class Peer(Model):
    """A peer of a NetworkPolicy."""

    pod_selector: Object | None = Field(default=None, description="Pods, by their labels.")
    namespace_selector: Object | None = Field(
        default=None, description="Namespaces, by their labels."
    )
    ip_block: Object | None = Field(default=None, description="A range of addresses.")


class NetworkPolicy(Section):
    """A NetworkPolicy for the operator's pod. It needs a network plugin that enforces it."""

    enabled: bool = Field(
        default=False,
        description="Allow only what the operator does: DNS, the API server, asking the jobs' pods "
        f"(port {names.TRAINER_HTTP_PORT}); and being scraped.",
    )
    metrics_from: list[Peer] = Field(
        default_factory=list,
        description="Who may scrape it: peers of a NetworkPolicy, such as `namespaceSelector: "
        "{matchLabels: {kubernetes.io/metadata.name: monitoring}}`. No one if empty. Probes come "
        "from the node, which network plugins allow.",
    )
    api_server_ports: list[Annotated[int, Field(ge=1, le=65535)]] = Field(
        default=[443, 6443],
        min_length=1,
        description="Ports of the API server: of its Service, and of the machines behind it.",
    )


class JobNetworkPolicy(Section):
    """A NetworkPolicy for each job. It needs a network plugin that enforces it, and costs the
    operator one write more for a job."""

    enabled: bool = Field(
        default=False,
        description="Let a job's pods reach each other and DNS alone. The operator may ask them, "
        "and the pod that fetches an archive may reach public addresses and `archiveNetworks`.",
    )
    metrics_from: list[Peer] = Field(
        default_factory=list,
        description="Who else may scrape them: peers of a NetworkPolicy, as in `networkPolicy`.",
    )
    viewer_from: list[Peer] = Field(
        default_factory=list,
        description="Who may reach viewers, such as an ingress controller; `kubectl nerf view` "
        "needs none.",
    )


class Test(Section):
    """`helm test`: a tiny NeRFJob on photos that it makes itself, trained on a CPU."""

    storage_class_name: str = Field(
        default="",
        max_length=253,
        description="Class of its volumes; the cluster's default one if empty.",
    )
