"""A cluster in memory: it does what plans say, and lets faults happen between them."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from nerf_contract import names, reasons
from nerf_contract.v1alpha1 import NeRFJobStatus
from nerf_operator.cluster import parse
from nerf_operator.core.actions import (
    Action,
    Apply,
    Create,
    Delete,
    DeleteJob,
    Object,
    Plan,
    Release,
)
from nerf_operator.core.moment import rfc3339
from nerf_operator.core.observed import Claim, Job, Observed, Pod, Service, Termination
from nerf_operator.core.plan import plan
from operator_support.builders import (
    DEFAULTS,
    NOW,
    claim,
    found_dataset,
    job,
    service,
    word,
)

STAGED = {
    "dataset": {
        "claimName": "photos",
        "format": "photos",
        "archive": {"url": "https://example.com/a.zip", "sha256": "a" * 64},
    },
    "outputs": {"mesh": {}},
    "viewer": {"enabled": True},
}
_TRAINED = word(reasons.TRAINING_COMPLETED)
LAST_WORDS = {
    names.COMPONENT_DOWNLOAD: word(reasons.ARCHIVE_FETCHED),
    names.COMPONENT_POSES: word(reasons.POSES_FOUND, dataset=found_dataset()),
    names.COMPONENT_EXPORT: word(reasons.OUTPUTS_MADE, outputs=["mesh.ply"]),
}


@dataclass
class Model:
    """One job, its children, and a clock. staged: an archive without poses, outputs, a viewer."""

    replicas: int = 2
    generation: int = 1
    elastic: bool = False
    auto: bool = False
    backoff_limit: int = 1000
    suspended: bool = False
    deadline: int | None = None
    clean: str = "Running"
    gone: bool = False
    staged: bool = False
    now: datetime = NOW
    status: NeRFJobStatus = field(default_factory=NeRFJobStatus)
    pods: dict[str, Pod] = field(default_factory=dict)
    lost: dict[tuple[str, int | None], Pod] = field(default_factory=dict)
    expected: set[str] = field(default_factory=set)
    services: dict[str, Service] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=lambda: {"photos": claim()})
    token_drawn: datetime | None = None
    created: int = 0
    writes: int = 0

    def copy(self) -> "Model":
        """One that goes its own way; what is in the tables is frozen."""
        return replace(
            self,
            pods=dict(self.pods),
            lost=dict(self.lost),
            expected=set(self.expected),
            claims=dict(self.claims),
            services=dict(self.services),
        )

    def job(self) -> Job:
        """The NeRFJob."""
        workers: dict[str, int] = {"replicas": self.replicas}
        if self.elastic:
            workers |= {"min": 1, "max": 4}
        if self.auto:
            workers = {"min": 1, "max": 4, "gpusPerWorker": 1}
        policy = {
            "backoffLimit": self.backoff_limit,
            "suspend": self.suspended,
            "activeDeadlineSeconds": self.deadline,
            "cleanPodPolicy": self.clean,
        }
        sections: dict[str, Any] = STAGED if self.staged else {}
        if self.auto:
            sections = sections | {"scaling": {"policy": "Auto"}}
        found = job(status=self.status, workers=workers, runPolicy=policy, **sections)
        return replace(found, generation=self.generation)

    def scale(self, replicas: int) -> None:
        """Someone asks for another number of workers."""
        self.replicas = replicas
        self.generation += 1

    def allocate(self, workers: int) -> None:
        """A pass wrote down that the Auto job has so many workers now, where it wants any."""
        known = self.status.allocation
        if known is None or known.requested is None:
            return
        reason = reasons.GROWN if workers else reasons.WAITING_FOR_GPUS
        new = known.model_copy(update={"workers": workers, "reason": reason})
        self.status = self.status.model_copy(update={"allocation": new})

    def suspend(self, suspended: bool) -> None:
        """Someone wants no pods for now, or wants them again."""
        self.suspended = suspended
        self.generation += 1

    def trains(self) -> bool:
        """Whether the job goes on, and its training too."""
        ends = (reasons.TRAINED, reasons.FAILED)
        found = [c for c in self.status.conditions if c.type in ends and c.status == "True"]
        return not found

    def observed(self) -> Observed:
        """What the operator sees."""
        return Observed(
            pods=(*self.pods.values(), *(() if self.suspended else self.lost.values())),
            service=self.services.get("demo"),
            viewer_service=self.services.get("demo-viewer"),
            claims=dict(self.claims),
            token_drawn=self.token_drawn,
        )

    def decide(self) -> Plan:
        """What the operator would do now."""
        return plan(self.job(), self.observed(), self.now, DEFAULTS)

    def step(self) -> Plan:
        """One pass of the operator, a while after whatever has happened."""
        self.wait(1)
        if self.suspended:
            self.lost = {}
        decided = self.decide()
        for action in decided.actions:
            self._act(action)
        if decided.status is not None:
            self.status = decided.status
            self.writes += 1
        return decided

    def _act(self, action: Action) -> None:
        if isinstance(action, Create):
            self._create(action)
        elif isinstance(action, Delete):
            if action.name in self.pods and self.pods[action.name].uid == action.uid:
                self.expected.add(action.uid)
                self.delete(action.name)
        elif isinstance(action, Apply):
            self._apply(action.child)
        elif isinstance(action, Release):
            self.claims[action.name] = replace(self.claims[action.name], owner="")
        elif isinstance(action, DeleteJob):
            self.gone = True
        elif action.secret["metadata"]["name"] == "demo-viewer":
            self.token_drawn = self.now

    def _apply(self, child: Object) -> None:
        name = child["metadata"]["name"]
        if child["kind"] == "Service":
            self.services[name] = service(name=name, selector=child["spec"]["selector"])
        else:
            self.claims[name] = claim(name, "ReadWriteOnce")

    def _create(self, action: Create) -> None:
        meta = action.pod["metadata"]
        if meta["name"] in self.pods:
            raise AssertionError(f"{meta['name']} was created twice")
        self.created += 1
        made = {"uid": f"pod-{self.created}", "resourceVersion": str(self.created)}
        made["creationTimestamp"] = rfc3339(self.now)
        pod = parse.pod(action.pod | {"metadata": meta | made})
        self.pods[pod.name] = replace(pod, created=self.now)

    # --- What happens to pods --------------------------------------------------------------------

    def _change(self, name: str, **fields: object) -> None:
        if name in self.pods:
            self.pods[name] = replace(self.pods[name], **fields)  # type: ignore[arg-type]

    def run(self, name: str) -> None:
        """It starts, and is ready."""
        pod = self.pods.get(name)
        if pod is not None and pod.alive:
            self._change(name, phase="Running", ready=True, node="n", ip="10.0.0.1")

    def _end(self, name: str, phase: str, code: int, message: str) -> None:
        pod = self.pods.get(name)
        if pod is not None and not pod.ended:
            end = Termination(code, "", message, self.now)
            self._change(name, phase=phase, ready=False, termination=end)

    def crash(self, name: str) -> None:
        """It fails."""
        self._end(name, "Failed", 1, "boom")

    def break_gpu(self, name: str) -> None:
        """It fails, and its node may be to blame."""
        self._end(name, "Failed", 1, "CUDA error: uncorrectable ECC error encountered")

    def finish(self, name: str) -> None:
        """It has done its work."""
        pod = self.pods.get(name)
        if pod is not None:
            self._end(name, "Succeeded", 0, LAST_WORDS.get(pod.component, _TRAINED))

    def evict(self, name: str) -> None:
        """The node throws it out."""
        pod = self.pods.get(name)
        if pod is not None and not pod.ended:
            self._change(name, phase="Failed", ready=False, reason="Evicted")

    def delete(self, name: str) -> None:
        """Someone deletes it: it is terminating."""
        self._change(name, deleting=True, ready=False)

    def vanish(self, name: str) -> None:
        """It is gone."""
        pod = self.pods.pop(name, None)
        if pod is None or pod.uid in self.expected:
            return
        known = self.lost.get((pod.component, pod.index))
        if known is None or known.attempt < pod.attempt:
            gone = replace(pod, deleting=True, ready=False, node=None)
            self.lost[pod.component, pod.index] = gone

    def restart(self) -> None:
        """Another operator takes over, which has seen nothing yet."""
        self.lost = {}

    def lose_service(self) -> None:
        """Someone deletes the Services."""
        self.services = {}

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += timedelta(seconds=seconds)

    def sweep(self) -> None:
        """Pods that are terminating go."""
        for name in [name for name, pod in self.pods.items() if pod.deleting]:
            self.vanish(name)
