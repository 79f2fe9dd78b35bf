"""How quick and how small the operator is with a thousand jobs.

    make bench-reconcile N=1000          9 minutes; N=100 takes 6

A real etcd and API server, the operator as its own process with the rights that the chart gives
it, and a stand-in for all kubelets share this machine. There is no scheduler, no controller and no
container: a pod is Running as soon as the stand-in has heard of it. First one job at a time, then
N minimal jobs of two workers at once, which then rest, change, train on and outlive an operator;
then jobs with everything switched on. The last line of the output is one JSON object.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any

import reconcile_phases as phases
from machine import machine
from operator_support import apiserver, process
from operator_support.apiserver import ApiServer
from operator_support.cluster import nerf_job
from operator_support.process import Operator
from reconcile_api import PLURALS, Client, Object, path
from reconcile_kubelet import LABEL_JOB
from reconcile_phases import Lab, Phase
from reconcile_timeline import Timeline, watching

NAMESPACE = "bench"
KUBELETS = "kubelet"
FULL_JOBS = 100
Figures = dict[str, Any]
#: Of minimal jobs, in their order.
MINIMAL: dict[str, tuple[str, Phase]] = {
    "bare": ("a client alone", phases.bare),
    "single": ("one job at a time", phases.single),
    "burst": ("{jobs} jobs at once", phases.burst),
    "idle": ("all at rest", phases.idle),
    "changes": ("one changes", phases.changes),
    "progressing": ("all train on", phases.progressing),
    "restart": ("another operator", phases.restart),
}


def main() -> int:
    """Run all phases, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-n", "--jobs", type=int, default=1000)
    names = (*MINIMAL, "full")
    parser.add_argument("--phases", nargs="+", choices=names, default=names, metavar="PHASE")
    asked = parser.parse_args()
    figures: Figures = {}
    if set(asked.phases) & set(MINIMAL):
        with running() as (server, operator):
            figures |= asyncio.run(minimal(server, operator, asked.jobs, asked.phases))
    if "full" in asked.phases:
        with running() as (server, operator):
            figures["full"] = asyncio.run(full(server, operator, min(asked.jobs, FULL_JOBS)))
    print(json.dumps(figures | {"machine": machine(), "date": time.strftime("%Y-%m-%d")}))
    return 0


async def minimal(server: ApiServer, operator: Operator, jobs: int, chosen: list[str]) -> Figures:
    """Figures of jobs that ask for two workers and nothing else; the burst is in all of them."""
    async with Client(server.url, server.token) as client, timeline_of(client, server) as timeline:
        await prepare(client)
        lab = Lab(client, NAMESPACE, timeline, operator, nerf_job, beside(server))
        figures: Figures = {}
        for name, (title, phase) in MINIMAL.items():
            if name in chosen or name == "burst":
                figures |= told(title.format(jobs=jobs), await phase(lab, jobs))
            if name == "burst":
                print_children(await children(client), jobs)
        return figures


async def full(server: ApiServer, operator: Operator, jobs: int) -> Figures:
    """Figures of elastic jobs with a viewer and all outputs."""
    async with Client(server.url, server.token) as client, timeline_of(client, server) as timeline:
        await prepare(client)
        lab = Lab(client, NAMESPACE, timeline, operator, full_job, beside(server))
        figures = told(f"{jobs} full jobs at once", await phases.burst(lab, jobs))
        print_children(await children(client), jobs)
        return figures


def full_job(name: str) -> Object:
    """A job of which everything is asked."""
    return nerf_job(
        name,
        workers={"replicas": 2, "min": 1, "max": 4, "gpusPerWorker": 1},
        training={"steps": 100_000, "targetPSNR": 32},
        outputs={"video": {}, "mesh": {}, "onnx": {}, "report": {}},
        viewer={"enabled": True},
        runPolicy={"activeDeadlineSeconds": 86_400, "ttlSecondsAfterFinished": 86_400},
    )


async def prepare(client: Client) -> None:
    """The namespace, and a user's claim with photos."""
    await client.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"metadata": {"name": "photos"}, "spec": spec}
    await client.create(path("persistentvolumeclaims", NAMESPACE), claim)


async def children(client: Client) -> Counter[str]:
    """How many objects of each kind belong to the jobs of the burst, and events about them."""
    found: Counter[str] = Counter()
    for plural in sorted(PLURALS.keys() - {"nerfjobs"}):
        for obj in await client.list(path(plural, NAMESPACE)):
            labels = obj["metadata"].get("labels", {})
            job = labels.get(LABEL_JOB) or obj.get("involvedObject", {}).get("name", "")
            found[plural] += job.startswith(phases.BURST_PREFIX)
    return found


def print_children(found: Counter[str], jobs: int) -> None:
    """What was made for each job."""
    each = ", ".join(f"{count / jobs:.3g} {kind}" for kind, count in found.items())
    print(f"   for each job: {each}", flush=True)


def told(phase: str, figures: Figures) -> Figures:
    """The figures, printed."""
    print(f"== {phase}: {figures}", flush=True)
    return figures


def timeline_of(client: Client, server: ApiServer) -> AbstractAsyncContextManager[Timeline]:
    """When what becomes of the jobs."""
    kubelets = server.processes[KUBELETS].stdout
    assert kubelets is not None
    return watching(client, NAMESPACE, kubelets)


def beside(server: ApiServer) -> dict[str, int]:
    """Ids of the processes that share the machine with the operator, by their names."""
    ids = {name: process.pid for name, process in server.processes.items()}
    return ids | {"bench": os.getpid()}


@contextmanager
def running() -> Iterator[tuple[ApiServer, Operator]]:
    """A fresh API server, an operator that serves it, and its kubelets."""
    with apiserver.running() as server:
        operator = Operator(process.install(server), server.folder / "operator.log")
        script = Path(__file__).parent / "reconcile_kubelet.py"
        argv = [sys.executable, str(script), server.url, server.token]
        kubelets = subprocess.Popen(
            argv, stdout=subprocess.PIPE, preexec_fn=apiserver.end_with_parent
        )
        server.processes[KUBELETS] = kubelets  # Ended with the server.
        try:
            operator.start()
            yield server, operator
        except BaseException:
            print(operator.log.read_text()[-3000:], file=sys.stderr)
            raise
        finally:
            operator.kill()


if __name__ == "__main__":
    sys.exit(main())
