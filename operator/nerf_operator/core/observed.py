"""What is observed of one job: a frozen snapshot that the decisions are made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nerf_contract import names
from nerf_contract.progress import Progress, StageProgress
from nerf_contract.v1alpha1 import NeRFJobSpec, NeRFJobStatus
from nerf_operator.allocation.model import Allocation


@dataclass(frozen=True, slots=True)
class Termination:
    """How the container of a pod ended. `at` is None where the kubelet did not say."""

    exit_code: int
    reason: str
    message: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of a job. component: worker, coordinator, poses, export or viewer.

    index: of a worker, else None.
    failures: how often its place had failed before this pod was made; rounds: how often in a row,
    without progress. first_step: what the training had reached then; None if it does not train.
    avoided: nodes on which those failures were, where it may be the node's fault.
    disruption: why the cluster ended it (eviction, preemption, a lost node), if it did.
    unschedulable: the scheduler's words, while it finds no node.
    gone: somebody else has deleted it, and what it told is remembered. gpus: that it asks for.
    started_at: when its container began to run; None before.
    sandboxed: whether its volumes and network are there; None where the kubelet does not tell.
    """

    name: str
    uid: str
    version: str
    owner: str
    index: int | None
    attempt: int
    failures: int
    created: datetime
    component: str = names.COMPONENT_WORKER
    rounds: int = 0
    first_step: int | None = None
    avoided: tuple[str, ...] = ()
    phase: str = "Pending"
    deleting: bool = False
    gone: bool = False
    ready: bool = False
    ip: str | None = None
    node: str | None = None
    disruption: str = ""
    reason: str = ""
    message: str = ""
    unschedulable: str | None = None
    scheduled_at: datetime | None = None
    started_at: datetime | None = None
    sandboxed: bool | None = None
    waiting_reason: str = ""
    waiting_message: str = ""
    image: str = ""
    image_id: str = ""
    gpus: int = 0
    termination: Termination | None = None

    @property
    def ended(self) -> bool:
        """Whether none of its containers will run again."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def alive(self) -> bool:
        """Whether it runs or will run: neither ended nor being deleted."""
        return not self.ended and not self.deleting


@dataclass(frozen=True, slots=True)
class Service:
    """A Service of ours, or one of the same name that belongs to another object."""

    name: str
    uid: str
    version: str
    owner: str
    selector: Mapping[str, str]
    deleting: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """A PersistentVolumeClaim of the namespace."""

    name: str
    uid: str
    version: str
    owner: str
    phase: str
    access_modes: tuple[str, ...]
    storage_class: str | None
    deleting: bool = False

    @property
    def one_node_only(self) -> bool:
        """Whether pods on two nodes cannot mount it at the same time."""
        return not {"ReadOnlyMany", "ReadWriteMany"} & set(self.access_modes)


@dataclass(frozen=True, slots=True)
class Job:
    """A NeRFJob. `spec` is None where the models reject it; `error` says why then.

    metadata: what others wrote there, such as labels. unknown_status: sections that only another
    version knows. Whoever replaces the status gives both back.
    """

    namespace: str
    name: str
    uid: str
    version: str
    generation: int
    deleting: bool
    spec: NeRFJobSpec | None
    error: str
    status: NeRFJobStatus
    metadata: Mapping[str, Any] = field(default_factory=dict, compare=False)
    unknown_status: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a pass knows of the cluster.

    pods: also those that others have deleted and that are gone; `deleting` if they had not ended.
    claims: by name; every claim of the namespace that the job names.
    viewer_service: the Service of the viewer. stage_progress: of the poses or export stage.
    token_drawn: when this process last made sure that the viewer has a token, if it did.
    fenced: whether this process has made sure of the job's NetworkPolicies.
    allocation: what was last decided on the size of an Auto job, if anything was.
    status_written: when the status was last written by this process, if it was.
    status_interval: fewest seconds between two status writes that only tell of progress.
    taken: names of children that exist and belong to someone else.
    refused: the API server's words, where it does not let a child be made (quota, policy).
    """

    pods: tuple[Pod, ...] = ()
    service: Service | None = None
    viewer_service: Service | None = None
    claims: Mapping[str, Claim] = field(default_factory=dict)
    progress: Progress | None = None
    stage_progress: StageProgress | None = None
    allocation: Allocation | None = None
    token_drawn: datetime | None = None
    fenced: bool = False
    status_written: datetime | None = None
    status_interval: float = 2.0
    taken: frozenset[str] = frozenset()
    refused: str = ""

    def workers(self, index: int) -> tuple[Pod, ...]:
        """Pods of one worker index, oldest attempt first."""
        found = (pod for pod in self.pods if pod.index == index)
        return tuple(sorted(found, key=lambda pod: pod.attempt))

    def of(self, component: str) -> tuple[Pod, ...]:
        """Pods of a component other than the workers, oldest attempt first."""
        found = (pod for pod in self.pods if pod.component == component)
        return tuple(sorted(found, key=lambda pod: pod.attempt))
