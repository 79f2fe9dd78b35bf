"""The chart's values: what there is, of which type, what for, and by default. values.yaml,
values.schema.json and the table in the chart's README are made from these models."""

from typing import Annotated, Literal

from pydantic import Field

from generate.chart_sections import (
    Affinity,
    Annotations,
    Crds,
    Dashboards,
    Image,
    JobNetworkPolicy,
    Labels,
    Metrics,
    NetworkPolicy,
    PullSecret,
    Rbac,
    Resources,
    Section,
    ServiceAccount,
    Test,
)
from nerf_contract.v1alpha1.scheduling import Toleration

Cidr = Annotated[str, Field(max_length=43, pattern=r"^[0-9a-fA-F.:]+/[0-9]{1,3}$")]
Namespace = Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]


class Values(Section):
    """All values of the chart."""

    image: Image = Field(default_factory=Image)
    trainer_image: str = Field(
        default="",
        pattern=r"^(\S+)?$",
        description="Image of the pods of jobs without `spec.image`; `nerf-trainer:cpu` in "
        "`image.registry` if empty. GPU nodes need the one built with `TORCH=cuda`.",
    )
    image_pull_secrets: list[PullSecret] = Field(
        default_factory=list,
        description="Secrets for pulling the operator's image. Those of the workers are "
        "`spec.imagePullSecrets` of a job.",
    )
    replicas: int = Field(
        default=1,
        ge=1,
        le=5,
        description="With 2, one operator works and one waits: a Lease says which. It takes over "
        "within 15 s of a crash, at once when the other is drained or upgraded. Jobs go on without "
        "an operator in any case.",
    )
    watch_namespaces: list[Namespace] = Field(
        default_factory=list,
        json_schema_extra={"uniqueItems": True},
        description="Namespaces whose NeRFJobs are served; all of the cluster if empty. With some "
        "chosen the operator may not read nodes, and cannot share GPUs (`scaling.policy: Auto`).",
    )
    archive_networks: list[Cidr] = Field(
        default_factory=list,
        json_schema_extra={"uniqueItems": True},
        description="Private networks, such as `10.20.0.0/16`, that archives with photos may be "
        "fetched from. Public addresses always may be; never name the cluster's own.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="How much the operator logs."
    )
    crds: Crds = Field(default_factory=Crds)
    service_account: ServiceAccount = Field(default_factory=ServiceAccount)
    rbac: Rbac = Field(default_factory=Rbac)
    metrics: Metrics = Field(default_factory=Metrics)
    dashboards: Dashboards = Field(default_factory=Dashboards)
    network_policy: NetworkPolicy = Field(default_factory=NetworkPolicy)
    job_network_policy: JobNetworkPolicy = Field(default_factory=JobNetworkPolicy)
    resources: Resources = Field(default_factory=Resources)
    priority_class_name: str = Field(
        default="", max_length=253, description="PriorityClass of the operator's pod."
    )
    node_selector: Labels = Field(
        default_factory=dict, description="Labels of the nodes that the operator may run on."
    )
    tolerations: list[Toleration] = Field(
        default_factory=list,
        description="Taints that do not keep the operator from a node. It leaves one that is lost "
        "after 15 seconds in any case: the shortest time counts.",
    )
    affinity: Affinity = Field(
        default_factory=Affinity,
        description="Nodes and pods that the operator should be with, or not.",
    )
    pod_labels: Labels = Field(
        default_factory=dict, description="More labels of the operator's pod."
    )
    pod_annotations: Annotations = Field(
        default_factory=dict,
        description="Annotations of the operator's pod. A change of one starts it anew.",
    )
    common_labels: Labels = Field(
        default_factory=dict, description="More labels of everything but the CRD."
    )
    common_annotations: Annotations = Field(
        default_factory=dict, description="Annotations of everything but the CRD."
    )
    fullname_override: str = Field(
        default="",
        max_length=63,
        pattern="^([a-z]([-a-z0-9]*[a-z0-9])?)?$",
        description="Name of the release's objects, instead of one made from the release's and the "
        "chart's.",
    )
    test: Test = Field(default_factory=Test)
