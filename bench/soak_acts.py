"""What is done to the jobs of a soak: by chance, and each of it something that happens to users."""

import random
from collections.abc import Callable
from subprocess import CalledProcessError
from typing import Any

from e2e_support import host
from e2e_support.kube import Job, KubectlError, Namespace, wait_for
from e2e_support.manifests import PHOTOS, nerf_job
from e2e_support.watch import Watch

from faults import story

ENDLESS = 1_000_000
NODES = ("node1", "node2")
#: All nodes can mount it at any time: what replaces a lost writer does not wait for its node.
VOLUME = {"volume": {"claimName": PHOTOS}}


class Member:
    """A job of the soak, and what its workers tell."""

    def __init__(self, job: Job) -> None:
        self.job, self.watch, self.newest = job, Watch(job), 0
        self.watch.__enter__()
        self.wanted = 2

    def step(self) -> int:
        """The highest step that a worker told."""
        return self.watch.step()

    def running(self) -> list[str]:
        """Names of its pods that run."""
        pods = [pod for pod in self.job.pods() if pod["status"].get("phase") == "Running"]
        return [pod["metadata"]["name"] for pod in pods]


class Acts:
    """Chooses what happens next, and to which job.

    members: the jobs that are there, by name. off: a node without power, which the next act
    revives. made: jobs so far.
    """

    def __init__(self, place: Namespace, dice: random.Random, jobs: int) -> None:
        self.place, self._dice, self._jobs = place, dice, jobs
        self.members: dict[str, Member] = {}
        self.off = ""
        self.made = 0
        self._acts: dict[str, Callable[[Member], object]] = {
            "crash": self._crash,
            "delete-pod": self._delete_pod,
            "delete-service": self._delete_service,
            "rescale": self._rescale,
            "edit": self._edit,
            "node-loss": self._lose_node,
            "kubelet-restart": self._restart_kubelet,
            "replace-job": self._replace,
        }

    def fill(self) -> None:
        """As many jobs as there are to be."""
        while len(self.members) < self._jobs:
            self._create()

    def one(self) -> str:
        """Do one thing, and tell what."""
        if self.off:
            return self.mend()
        name = self._dice.choice(sorted(self._acts))
        member = self.members[self._dice.choice(sorted(self.members))]
        try:
            self._acts[name](member)
        except (KubectlError, CalledProcessError, AssertionError, LookupError, ValueError) as error:
            return f"nothing: {name} found nothing to do ({error})"
        return f"{name} {member.job.name} at step {member.step()}"

    def mend(self) -> str:
        """Give back the power to a node that has none."""
        node, self.off = self.off, ""
        if not node:
            return "nothing: all nodes are on"
        host.localkube("node", "revive", node)
        return f"node-back {node}"

    def whole(self) -> bool:
        """Whether every job trains with as many workers as it is to have."""
        return all(self._is_whole(member) for member in self.members.values())

    def goodput(self) -> dict[str, float | None]:
        """As the jobs tell, by name."""
        told = {name: one.job.status().get("goodput") or {} for name, one in self.members.items()}
        return {name: found.get("ratio") for name, found in told.items()}

    def clear(self) -> None:
        """Delete all jobs."""
        for name in list(self.members):
            self._delete(name)

    # --- Acts ---

    def _create(self) -> None:
        self.made += 1
        name = f"soak-{self.made}"
        self.place.apply(
            nerf_job(
                name,
                training={"steps": ENDLESS, "evalEvery": ENDLESS},
                workers={"replicas": 2, "min": 1, "max": 3},
                checkpoint=VOLUME,
                runPolicy={"backoffLimit": 1000},
            )
        )
        self.members[name] = Member(self.place.job(name))

    def _delete(self, name: str) -> None:
        member = self.members.pop(name)
        member.watch.__exit__()
        self.place.run("delete", "nerfjob", name, "--wait=false")

    def _replace(self, member: Member) -> None:
        self._delete(member.job.name)
        self._create()

    def _crash(self, member: Member) -> None:
        running = member.running()
        host.kill(self.place, *self._dice.sample(running, self._dice.randint(1, len(running))))

    def _delete_pod(self, member: Member) -> None:
        self.place.run("delete", "pod", self._dice.choice(member.running()), "--wait=false")

    def _delete_service(self, member: Member) -> None:
        self.place.run("delete", "service", member.job.name)

    def _rescale(self, member: Member) -> None:
        member.wanted = self._dice.choice([n for n in (1, 2, 3) if n != member.wanted])
        self.place.run("scale", f"nerfjob/{member.job.name}", f"--replicas={member.wanted}")

    def _edit(self, member: Member) -> None:
        label = f"edited={self._dice.randint(0, 99)}"
        self.place.run("label", "nerfjob", member.job.name, label, "--overwrite")

    def _lose_node(self, _: Member) -> None:
        self.off = self._dice.choice(NODES)
        host.localkube("node", "kill", self.off)

    def _restart_kubelet(self, _: Member) -> None:
        node = self._dice.choice(NODES)
        host.localkube("kubelet", "stop", node)
        host.localkube("kubelet", "start", node)

    def _is_whole(self, member: Member) -> bool:
        last: dict[str, Any] = {one.pod: one for one in member.watch.samples()[-60:]}
        training = [one for one in last.values() if one.phase == story.TRAINING]
        return {one.world for one in training} == {member.wanted} and len(training) >= member.wanted


def wait_gone(place: Namespace, kinds: str, selector: str, seconds: float) -> None:
    """Until no object of ours is left. Raises TimeoutError."""
    wait_for("all children gone", lambda: not place.items(kinds, selector), seconds)
