"""What must hold all through a soak."""

import subprocess
import time
from datetime import datetime
from typing import NamedTuple

from e2e_support import host
from e2e_support.kube import KubectlError, kubectl
from soak_acts import Acts, Member, wait_gone

from faults import story
from nerf_contract import metrics

SELECTOR = "app.kubernetes.io/managed-by=nerf-operator"
CHILDREN = "pods,services,secrets,persistentvolumeclaims"
#: A pod of a node that is off is not deleted before that is back: it has this long from then on.
STUCK_SECONDS = 120.0
#: Objects that a job may have at a time, with a pod that failed for each place.
MOST_CHILDREN = 20


class Checks:
    """Looks at all jobs, and writes down what is wrong, each thing once."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts
        self._disturbed = 0.0
        self.violations: list[str] = []
        self.most_children = 0

    def found(self, what: str) -> None:
        """Something is violated."""
        if what not in self.violations:
            self.violations.append(what)
            print(time.strftime("%H:%M:%S"), "VIOLATION", what, flush=True)

    def look(self, last: bool = False) -> None:
        """Look at everything. While nobody answers nothing is found. last: nothing may be away."""
        if self._acts.off:
            self._disturbed = time.monotonic()
        try:
            self._objects()
            for member in self._acts.members.values():
                self._job(member)
        except KubectlError as error:
            if last:
                self.found(f"cannot be looked at: {error}")

    def nothing_left(self) -> None:
        """After all jobs were deleted."""
        try:
            wait_gone(self._acts.place, CHILDREN, SELECTOR, 90)
        except TimeoutError:
            left = self._acts.place.items(CHILDREN, SELECTOR)
            self.found(f"left behind: {[one['metadata']['name'] for one in left]}")

    def _job(self, member: Member) -> None:
        for wrong in story.violations(member.watch.samples()):
            self.found(f"{member.job.name}: {wrong}")
        failed = member.job.condition("Failed")
        if failed.get("status") == "True":
            self.found(f"{member.job.name} failed: {failed['message']}")
        self._checkpoints(member)

    def _checkpoints(self, member: Member) -> None:
        """The newest good one is never older than one that was seen before."""
        newest = max(host.checkpoints(member.job), default=member.newest)
        if newest < member.newest:
            self.found(f"{member.job.name}: checkpoint {newest} after {member.newest}")
        member.newest = max(newest, member.newest)

    def _objects(self) -> None:
        jobs = {job["metadata"]["uid"] for job in self._acts.place.items("nerfjobs")}
        children = self._acts.place.items(CHILDREN, SELECTOR)
        calm = time.monotonic() - self._disturbed > STUCK_SECONDS
        for one in children:
            meta = one["metadata"]
            owner = meta["ownerReferences"][0]["uid"]
            deleted = meta.get("deletionTimestamp")
            if calm and deleted and _age(deleted) > STUCK_SECONDS:
                self.found(f"deletion of {one['kind']} {meta['name']} is stuck")
            if owner not in jobs and not deleted and _age(meta["creationTimestamp"]) > 300:
                self.found(f"{one['kind']} {meta['name']} is an orphan")
        self.most_children = max(self.most_children, len(children))
        if len(children) > MOST_CHILDREN * (len(self._acts.members) + 1):
            self.found(f"{len(children)} children of {len(jobs)} jobs")


def _age(stamp: str) -> float:
    return time.time() - datetime.fromisoformat(stamp).timestamp()


class Seen(NamedTuple):
    """What the operator told of itself, seconds after the beginning. started: Unix time."""

    at: float
    resident: float
    descriptors: float
    started: float


class OperatorFigures:
    """Memory and descriptors of the operator: at minute 15 or half-way, and last. A node that loses
    its power may take the operator along, which then starts anew."""

    def __init__(self) -> None:
        self._seen: list[Seen] = []

    def look(self, seconds: float) -> None:
        """Ask, `seconds` after the beginning. The node of the operator may be off."""
        try:
            text = kubectl("get", "--raw", f"{_operator()}/metrics", timeout=5)
        except (KubectlError, subprocess.TimeoutExpired):
            return
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        told = dict(line.rsplit(" ", 1) for line in lines)
        wanted = (metrics.RESIDENT_BYTES, metrics.OPEN_FILES, metrics.START_TIME)
        self._seen.append(Seen(seconds, *(float(told[metric.name]) for metric in wanted)))

    def figures(self) -> dict[str, object]:
        """Megabytes and counts."""
        if not self._seen:
            return {"operator": None}
        last = self._seen[-1]
        middle = next(one for one in self._seen if one.at >= min(900.0, last.at / 2))
        return {
            "operator_rss_mb": {
                "middle": round(middle.resident / 1e6, 1),
                "end": round(last.resident / 1e6, 1),
                "most": round(max(one.resident for one in self._seen) / 1e6, 1),
            },
            "operator_fds": {"middle": middle.descriptors, "end": last.descriptors},
            "operator_starts": len({one.started for one in self._seen}),
        }


def _operator() -> str:
    labels = "app.kubernetes.io/name=nerf-operator"
    name = kubectl(
        *("-n", "nerf-system", "get", "pods", "-l", labels, "--field-selector"),
        *("status.phase=Running", "-o", "jsonpath={.items[0].metadata.name}"),
        timeout=5,
    )
    return f"/api/v1/namespaces/nerf-system/pods/{name}:9500/proxy"
