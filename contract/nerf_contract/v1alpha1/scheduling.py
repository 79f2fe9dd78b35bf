"""Where pods may go, as in a pod; an allow-list of what a pod may say."""

from typing import Annotated, Literal

from pydantic import Field

from nerf_contract.base import MAX_INT, Model
from nerf_contract.v1alpha1.types import LabelKey, LabelValue

Weight = Annotated[int, Field(ge=1, le=100, description="Of this wish among the others.")]
Domain = Annotated[
    str, Field(max_length=317, description="Node label whose values are the domains.")
]


class Toleration(Model):
    """A taint that does not keep a pod from a node."""

    key: Annotated[str, Field(max_length=317)] = Field(
        default="", description="Key of the taint; any if empty, with operator `Exists`."
    )
    operator: Literal["Exists", "Equal"] = Field(
        default="Equal", description="Whether `value` must be the taint's."
    )
    value: LabelValue = Field(default="", description="Value of the taint, for `Equal`.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint; any if absent."
    )
    toleration_seconds: int | None = Field(
        default=None, ge=0, le=MAX_INT, description="How long a `NoExecute` is tolerated."
    )


class TopologySpread(Model):
    """How evenly the workers of the job lie over domains, such as zones or nodes."""

    topology_key: Domain
    max_skew: int = Field(
        default=1, ge=1, le=1024, description="Most workers that a domain may have over another."
    )
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = Field(
        default="ScheduleAnyway", description="What to do with a worker that would tip it."
    )


class Requirement(Model):
    """What a label must be like."""

    key: LabelKey = Field(description="Key of the label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(
        description="How it is compared with `values`."
    )
    values: list[LabelValue] = Field(
        default_factory=list, max_length=32, description="Values to compare with."
    )


class NodeTerm(Model):
    """Nodes that meet all of these."""

    match_expressions: list[Requirement] = Field(
        min_length=1, max_length=16, description="Requirements of the labels of a node."
    )


class PreferredNodes(Model):
    """Nodes that are liked better than others."""

    weight: Weight
    preference: NodeTerm


class NodeSelector(Model):
    """Nodes that meet one of the terms."""

    node_selector_terms: list[NodeTerm] = Field(
        min_length=1, max_length=8, description="Terms, of which one must be met."
    )


class NodeAffinity(Model):
    """By labels of nodes."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: list[PreferredNodes] = Field(
        default_factory=list, max_length=8, description="Nodes that are liked better."
    )


class PodSelector(Model):
    """Pods of the namespace with these labels."""

    match_labels: dict[str, LabelValue] = Field(max_length=16, description="Labels of the pods.")


class PodTerm(Model):
    """The domain of other pods."""

    label_selector: PodSelector
    topology_key: Domain


class PreferredPods(Model):
    """Pods whose domain is liked, or avoided."""

    weight: Weight
    pod_affinity_term: PodTerm


class PodAffinity(Model):
    """By the pods that are there already."""

    required_during_scheduling_ignored_during_execution: list[PodTerm] = Field(
        default_factory=list, max_length=8, description="Domains that it must be."
    )
    preferred_during_scheduling_ignored_during_execution: list[PreferredPods] = Field(
        default_factory=list, max_length=8, description="Domains that it should be."
    )


class Affinity(Model):
    """Which nodes are needed or liked better, by their labels and by the pods on them."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = Field(default=None, description="Pods to be beside.")
    pod_anti_affinity: PodAffinity | None = Field(default=None, description="Pods to keep from.")
