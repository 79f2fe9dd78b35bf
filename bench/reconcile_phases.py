"""The phases of the benchmark of reconciling: each does one thing to the jobs and measures it."""

import asyncio
import time
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import reconcile_meter as meter
from operator_support.process import Operator
from percentiles import percentile
from reconcile_api import Client, Object, path
from reconcile_kubelet import FIRST_ADDRESS, PORT
from reconcile_timeline import Timeline

#: Objects that a client alone creates, to know the machine.
BARE = 2000
SINGLES = 100
CHANGES = 200
#: Names of the jobs that are made at once.
BURST_PREFIX = "job-"
WINDOW_SECONDS = 60.0
#: A thousand jobs are asked for their progress once in this time.
SETTLE_SECONDS = 100.0
#: Without a write for so long, what was to be done is done.
CALM_SECONDS = 5.0
PATIENCE_SECONDS = 300.0
Figures = dict[str, Any]


@dataclass(frozen=True)
class Lab:
    """Where jobs are made, and who watches them. job: one by its name.

    others: ids of the processes that share the machine with the operator, by their names.
    """

    client: Client
    namespace: str
    timeline: Timeline
    operator: Operator
    job: Callable[[str], Object]
    others: Mapping[str, int]

    async def create(self, name: str) -> None:
        """Apply a job."""
        await self.client.create(path("nerfjobs", self.namespace), self.job(name))

    async def set_ready(self, pod: str, ready: bool) -> None:
        """What a kubelet says of a pod."""
        condition = {"type": "Ready", "status": "True" if ready else "False"}
        place = path("pods", self.namespace, f"{pod}/status")
        await self.client.patch(place, {"status": {"conditions": [condition]}})

    async def calm(self) -> None:
        """Wait until the operator writes nothing."""
        while True:
            before = self.operator.writes()
            await asyncio.sleep(CALM_SECONDS)
            if self.operator.writes() == before:
                return


#: What is done to so many jobs, and measured.
Phase = Callable[[Lab, int], Awaitable[Figures]]


async def bare(lab: Lab, jobs: int) -> Figures:
    """Small objects that this client creates a second while nothing else happens.

    So that figures of different machines can be compared: no operator is quicker than its client.
    """
    place = f"/api/v1/namespaces/{lab.namespace}/configmaps"
    began = time.monotonic()
    made = (lab.client.create(place, {"metadata": {"name": f"bare-{n}"}}) for n in range(BARE))
    await asyncio.gather(*made)
    return {"bare_creates_per_second": round(BARE / (time.monotonic() - began), 1)}


async def single(lab: Lab, jobs: int) -> Figures:
    """Seconds from apply to both pods created, of one job at a time; each is removed again.

    The first job is not counted: a fresh API server takes 2 s to store it, whoever watches.
    """
    await _alone(lab, "first")
    found = [await _alone(lab, f"one-{number}") for number in range(SINGLES)]
    await lab.calm()
    return {
        "single_p50_s": round(percentile(found, 50), 4),
        "single_p99_s": round(percentile(found, 99), 4),
    }


async def _alone(lab: Lab, name: str) -> float:
    """Seconds from apply to both pods created."""
    timeline, began = lab.timeline, time.monotonic()
    await lab.create(name)
    await timeline.until(f"pods of {name}", lambda: len(timeline.pods[name]) == 2, 10)
    seconds = max(timeline.pods[name].values()) - began
    await timeline.until(f"{name} runs", lambda: name in timeline.running, 10)
    await _remove(lab, name)
    return seconds


async def _remove(lab: Lab, name: str) -> None:
    """Delete a job and its pods, as garbage collection would."""
    await lab.client.delete(path("nerfjobs", lab.namespace, name))
    for index in (0, 1):
        await lab.client.delete(path("pods", lab.namespace, f"{name}-worker-{index}-0"))


async def burst(lab: Lab, jobs: int) -> Figures:
    """All jobs at once, until each is Running and nothing is left to write."""
    names, timeline = [_name(number) for number in range(jobs)], lab.timeline
    before, others, began = meter.read(lab.operator), meter.cpu_of_all(lab.others), time.monotonic()
    await asyncio.gather(*(lab.create(name) for name in names))
    created = time.monotonic() - began
    await timeline.until(
        "all jobs are Running",
        lambda: all(name in timeline.running for name in names),
        PATIENCE_SECONDS,
    )
    running = max(timeline.running[name] for name in names) - began
    at_running = meter.read(lab.operator).since(before)
    beside = meter.cpu_of_all(lab.others)
    await lab.calm()
    used = meter.read(lab.operator).since(before)
    return {
        "jobs": jobs,
        "jobs_created_s": round(created, 2),
        "pods_created_s": round(timeline.last_pod(names) - began, 2),
        "running_s": round(running, 2),
        "jobs_per_second": round(jobs / running, 1),
        "api_writes_per_job": round(used.writes / jobs, 2),
        "operator_cpu_s": round(at_running.cpu, 2),
        "others_cpu_s": {name: round(beside[name] - cpu, 2) for name, cpu in others.items()},
        "peak_rss_mb": round(meter.peak_megabytes(lab.operator), 1),
    }


def _name(number: int) -> str:
    return f"{BURST_PREFIX}{number}"


async def idle(lab: Lab, jobs: int) -> Figures:
    """What it costs that there are running jobs whose progress stands still."""
    used, seconds = await _window(lab)
    return {
        "idle_cpu_percent": round(100 * used.cpu / seconds, 2),
        "idle_api_per_second": round(used.calls / seconds, 3),
    }


async def progressing(lab: Lab, jobs: int) -> Figures:
    """What it costs that every job trains on, once each of them has told so."""
    _tell_trainers("/move")
    await asyncio.sleep(SETTLE_SECONDS)
    used, seconds = await _window(lab)
    _tell_trainers("/rest")
    return {
        "progress_writes_per_second": round(used.writes / seconds, 2),
        "progress_cpu_percent": round(100 * used.cpu / seconds, 2),
    }


async def _window(lab: Lab) -> tuple[meter.Reading, float]:
    before, began = meter.read(lab.operator), time.monotonic()
    await asyncio.sleep(WINDOW_SECONDS)
    return meter.read(lab.operator).since(before), time.monotonic() - began


def _tell_trainers(route: str) -> None:
    with urllib.request.urlopen(f"http://{FIRST_ADDRESS}:{PORT}{route}", timeout=10) as answer:
        answer.read()


async def changes(lab: Lab, jobs: int) -> Figures:
    """Seconds from a pod's change to the job's status, of one job after the other."""
    found = [await _change(lab, _name(number % jobs), number) for number in range(CHANGES)]
    return {
        "event_to_status_p50_s": round(percentile(found, 50), 4),
        "event_to_status_p99_s": round(percentile(found, 99), 4),
    }


async def _change(lab: Lab, name: str, number: int) -> float:
    """A worker of a job becomes unready, and ready again."""
    pod, timeline = f"{name}-worker-{number % 2}-0", lab.timeline
    began = time.monotonic()
    await lab.set_ready(pod, False)
    await timeline.until(
        f"{name} tells it", lambda: timeline.ready[name] == "1/2", PATIENCE_SECONDS
    )
    seconds = time.monotonic() - began
    await lab.set_ready(pod, True)
    await timeline.until(
        f"{name} is well again", lambda: timeline.ready[name] == "2/2", PATIENCE_SECONDS
    )
    return seconds


async def restart(lab: Lab, jobs: int) -> Figures:
    """The operator is killed, and another one starts: seconds until it acts, what it writes."""
    await lab.calm()
    lab.operator.kill()
    began = time.monotonic()
    await asyncio.to_thread(lab.operator.start)
    acted = await _change(lab, _name(jobs - 1), 1)
    seconds = time.monotonic() - began
    writes = meter.read(lab.operator).writes
    await lab.calm()
    return {
        "restart_s": round(seconds, 2),
        "restart_first_change_s": round(acted, 2),
        "restart_writes": meter.read(lab.operator).writes,
        "restart_writes_until_then": writes,
        "restart_cpu_s": round(meter.read(lab.operator).cpu, 2),
        "restart_peak_rss_mb": round(meter.peak_megabytes(lab.operator), 1),
    }
