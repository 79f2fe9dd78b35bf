"""A job that a fault is done to: it trains, something happens, and what then has to hold."""

import json
import random
import time
from collections.abc import Callable
from typing import Any

from e2e_support import host
from e2e_support.kube import Job, Namespace, wait_for
from e2e_support.manifests import PHOTOS, nerf_job
from e2e_support.watch import Watch

from faults import story

#: More steps than any machine does before a test is over.
ENDLESS = 1_000_000
INTERVAL_SECONDS = 5
#: Until a replaced pod trains again, on two cores that the others train on.
WHOLE_SECONDS = 90
Record = Callable[[str, object], None]

ELASTIC = {"replicas": 2, "min": 1, "max": 2}
#: Two workers on two nodes, where there is room on both.
APART = {
    "topologySpreadConstraints": [
        {"topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    ]
}
#: A volume that all nodes can mount at any time: what replaces a lost writer does not wait for its
#: node to let go of it.
SHARED = {"volume": {"claimName": PHOTOS}}


class Subject:
    """A job of two workers; entered, both of them train, and have done a few steps.

    record: tells a figure of the test's report. dice: decide when and to whom it happens.
    sections: of the spec; world: processes that can train, where they are fewer than asked for.
    """

    def __init__(
        self, place: Namespace, name: str, record: Record, dice: random.Random, **sections: Any
    ) -> None:
        workers = ELASTIC | sections.pop("workers", {})
        self._world = int(sections.pop("world", workers["replicas"]))
        training = {"steps": ENDLESS, "evalEvery": ENDLESS} | sections.pop("training", {})
        self._manifest = nerf_job(name, workers=workers, training=training, **sections)
        self.dice, self.job, self.watch = dice, place.job(name), Watch(place.job(name))
        self.note, self._since, self._latest = record, 0.0, 0.0
        #: Set by a test that has deleted the job itself.
        self.gone = False

    def __enter__(self) -> "Subject":
        self.job.namespace.apply(self._manifest)
        self.watch.__enter__()
        first = self.dice.randint(20, 60)
        self.watch.wait_for(
            f"step {first} of {self._world} workers",
            lambda all: any(one.step >= first and one.world == self._world for one in all),
            WHOLE_SECONDS,
        )
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """A job that failed its test stays for a moment, to be described; its namespace goes."""
        self.watch.__exit__()
        if kind is None and not self.gone:
            self.job.delete()
            _no_orphans(self.job)

    # --- What is done to it ---

    def strike(self) -> None:
        """A fault follows. Figures are counted from the first one on."""
        self._latest = time.time()
        self._since = self._since or self._latest

    def kill_workers(self, *indices: int, coordinator: bool = False) -> None:
        """SIGKILL to all processes of their pods, and of the coordinator's, at once."""
        names = [self.pod(index) for index in indices]
        host.kill(self.job.namespace, *names, *([self.coordinator()] if coordinator else []))

    # --- What is seen of it ---

    def pod(self, index: int) -> str:
        """Name of a worker's pod."""
        return str(self.job.workers()[index]["metadata"]["name"])

    def coordinator(self) -> str:
        """Name of the coordinator's pod that runs; "" if none does."""
        pod = self.job.coordinator()
        return pod["metadata"]["name"] if pod else ""

    def node(self, index: int) -> str:
        """Name of a worker's node."""
        return self.node_of(self.pod(index))

    def node_of(self, name: str) -> str:
        """Name of a pod's node."""
        found = next(pod for pod in self.job.pods() if pod["metadata"]["name"] == name)
        return str(found["spec"]["nodeName"])

    def goes_on(self, steps: int = 10, seconds: float = WHOLE_SECONDS) -> None:
        """Somebody does new steps."""
        wanted = self.watch.step() + steps
        self.watch.wait_for(
            f"step {wanted}", lambda all: max(one.step for one in all) >= wanted, seconds
        )

    def whole(self, seconds: float = WHOLE_SECONDS) -> None:
        """A group of all workers, formed since the last fault, has done a step. Records when."""
        self.watch.wait_for("all workers train again", lambda _: self._whole_at(), seconds)
        self.note("whole_s", round(self._whole_at() - self._latest, 1))

    def _whole_at(self) -> float:
        return story.whole_since(self.watch.samples(), self._world, self._latest) or 0.0

    def starts(self) -> list[story.Start]:
        """The groups that formed since the first fault, as far as logs tell of them."""
        return [one for one in self.watch.starts() if one.at > self._since]

    def heals_a_crash(self) -> None:
        """What was disturbed does its work again: a worker that crashes now is replaced."""
        self.strike()
        self.kill_workers(1)
        self.whole()
        self.survived(restarts=1)

    def survived(self, lost_steps: int | None = 1, restarts: int = 0) -> None:
        """What holds after any fault: of ranks, groups, steps and the job's budget.

        lost_steps: as many at most by one change of the group; None where no worker was left, and
        the test itself says from where it has to go on.
        """
        samples, now = self.watch.samples(), time.time()
        lost = story.losses(samples, self.watch.starts(), self._since)
        pause = story.longest_pause(samples, self._since, now)
        self.note("recovery_s", round(pause, 1))
        self.note("steps_lost", max(lost, default=0))
        self.note("steps_repeated", sum(lost))
        assert story.violations(samples) == []
        if lost_steps is not None:
            assert max(lost, default=0) <= lost_steps, (lost, self.starts())
        assert self.job.condition("Failed").get("status") == "False"
        assert self.job.status().get("restarts", 0) <= restarts
        wait_for("progress in the status", lambda: self.job.step() > 0, 15)

    def undisturbed(self, identities: dict[str, int]) -> None:
        """Neither a pod nor a container is another one than it was."""
        assert self.job.identities() == identities


Make = Callable[..., Subject]


def _no_orphans(job: Job) -> None:
    """Nothing that names the job as its owner is left, whatever its labels."""
    kinds = "pods,services,secrets,persistentvolumeclaims,networkpolicies"
    items = json.loads(job.namespace.run("get", kinds, "-o", "json"))["items"]
    owners = {one["metadata"]["name"]: one["metadata"].get("ownerReferences", []) for one in items}
    left = [name for name, of in owners.items() if any(o["name"] == job.name for o in of)]
    assert left == [], left
