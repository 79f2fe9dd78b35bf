"""Elasticity in pods: `kubectl scale`, and workers that are frozen, cut off or killed.

    make bench-elastic-pods          20 minutes, on the local cluster of two nodes; KILLS=30

A job of two pods with two processes each, on a node of its own each. Seconds are counted from the
command to what a worker tells of its group, which is asked ten times a second; `pause` is for how
long worker 0 did not train. Processes, pods and coordinators are then killed at random; from the
kill to a survivor's next step is counted. The last line of the output is one JSON object.
"""

import argparse
import json
import signal
import statistics
import subprocess
import time
from collections.abc import Callable
from typing import Any

from e2e_support.kube import LOCALKUBE
from elastic_pods_job import PodJob, namespace
from elastic_pods_kills import random_kills
from machine import machine
from percentiles import percentile

ROUNDS = 5
ENDLESS = 1_000_000
#: Of trainings whose weights are compared.
STEPS = 1500
SEED = 1


def main() -> None:
    """Run all parts, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=30, help="at random; default 30")
    kills = parser.parse_args().kills
    with namespace() as place:
        with PodJob(place, "resize", steps=ENDLESS, replicas=1) as job:
            job.wait_for_world(2)
            figures = resizes(job) | {"frozen": frozen(job), "cut_off": cut_off(job)}
        weights = [undisturbed(place, 1), undisturbed(place, 2), disturbed(place)]
        found, more = killed(place, kills)
        figures, weights = figures | found, weights + more
    figures |= {"trainings": len(weights), "weights_identical": len(set(weights)) == 1}
    print(json.dumps(figures | {"machine": machine(), "date": time.strftime("%Y-%m-%d")}))


def resizes(job: PodJob) -> dict[str, Any]:
    """From `kubectl scale` to a step of the new size, and for how long training paused."""
    found: dict[str, list[float]] = {"up": [], "down": [], "pause": []}
    processes = job.processes(0)
    for _ in range(ROUNDS):
        for kind, replicas in (("up", 2), ("down", 1)):
            waited = job.seconds_to_world(2 * replicas, lambda: job.scale(replicas))  # noqa: B023
            found[kind].append(waited)
            found["pause"].append(job.pause())
            told(f"{kind}: {waited:.2f} s, pause {found['pause'][-1]:.3f} s")
    return {
        "scale_up_p50_s": round(statistics.median(found["up"]), 2),
        "scale_up_max_s": round(max(found["up"]), 2),
        "scale_down_p50_s": round(statistics.median(found["down"]), 2),
        "scale_down_max_s": round(max(found["down"]), 2),
        "pause_p50_s": round(statistics.median(found["pause"]), 3),
        "pause_p95_s": round(percentile(found["pause"], 95), 3),
        "same_processes": job.processes(0) == processes,
    }


def frozen(job: PodJob) -> dict[str, float]:
    """SIGSTOP to the processes of worker 1, and SIGCONT."""
    return _away(job, lambda: job.send(1, signal.SIGSTOP), lambda: job.send(1, signal.SIGCONT))


def cut_off(job: PodJob) -> dict[str, float]:
    """Worker 1's node loses its network, and gets it back. The coordinator is on the other one."""
    node = job.node_of(1)
    job.keep_coordinator_off(node)

    def net(action: str) -> None:
        subprocess.run([LOCALKUBE, "net", action, node], check=True)

    return _away(job, lambda: net("cut"), lambda: net("mend"))


def _away(job: PodJob, go: Callable[[], None], come: Callable[[], None]) -> dict[str, float]:
    """Seconds until the group goes on without worker 1, and until it is there again."""
    if job.world() != 4:
        job.scale(2)
        job.wait_for_world(4)
    without = job.seconds_to_world(2, go)
    again = job.seconds_to_world(4, come)
    told(f"without it after {without:.2f} s, with it again after {again:.2f} s")
    return {"without_s": round(without, 2), "again_s": round(again, 2)}


def undisturbed(place: Any, replicas: int) -> str:
    """The weights that a fixed number of pods comes to."""
    with PodJob(place, f"fixed-{replicas}", STEPS, replicas) as job:
        return _weights(job)


def disturbed(place: Any) -> str:
    """The weights of a training whose size changes, and whose pods die, the writer's too."""
    with PodJob(place, "disturbed", STEPS, replicas=1) as job:
        job.wait_for_world(2)
        job.scale(2)
        job.wait_for_world(4)
        for index in (1, 0):
            job.kill(index)
            job.wait_for_world(4)
        job.scale(1)
        job.wait_for_world(2)
        return _weights(job)


def killed(place: Any, kills: int) -> tuple[dict[str, Any], list[str]]:
    """Kills at random, until a survivor's next step; and the weights that come of it."""
    found = random_kills(lambda name: PodJob(place, name, STEPS, replicas=2), kills, STEPS, SEED)
    figures: dict[str, Any] = {"kills": found.count, "hangs": found.hangs}
    for name, seconds in (
        ("recovery", found.recoveries),
        ("without_coordinator", found.undisturbed),
    ):
        if seconds:
            figures |= {
                f"{name}_p50_s": round(percentile(seconds, 50), 2),
                f"{name}_p95_s": round(percentile(seconds, 95), 2),
                f"{name}_max_s": round(max(seconds), 2),
            }
    return figures, [_weights_of(metrics) for metrics in found.metrics]


def _weights(job: PodJob) -> str:
    return _weights_of(job.metrics())


def _weights_of(metrics: dict[str, Any]) -> str:
    told(f"{metrics['psnr']:.4f} dB, weights {metrics['weightsSha256'][:12]}")
    return str(metrics["weightsSha256"])


def told(line: str) -> None:
    """What was seen just now."""
    print(time.strftime("%H:%M:%S"), line, flush=True)


if __name__ == "__main__":
    main()
