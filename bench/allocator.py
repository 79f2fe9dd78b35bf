"""Completion times of many elastic jobs on 8 to 4,096 GPUs: the operator's allocator and others.

    make bench-allocator             10 minutes of one core; QUICK=1 for a short one

Jobs come at random (even seeds), or by day and night (odd ones), to clusters of four sizes, which
are simulated; see `allocator_jobs` for the jobs, `allocator_simulator` for the cluster, and
`allocator_policies` for the others. A ratio is of our mean (or p99) completion time to that of
another, on the same jobs. A seed's ratio is the geometric mean of its clusters', the figures are
medians of the seeds'. The last line of the output is one JSON object.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from allocator_jobs import Setting, Task, tasks
from allocator_policies import Pollux, equal_share, every, fifo, optimus, ours
from allocator_simulator import Outcome, Policy, simulate
from machine import machine
from percentiles import percentile

from nerf_operator.allocation.allocate import allocate
from nerf_operator.allocation.curve import fit
from nerf_operator.allocation.model import Capacity, Job

SETTINGS: tuple[Setting, ...] = (
    Setting(gpus=8, jobs=600, hours=0.5, widest=8),
    Setting(gpus=64, jobs=800, hours=1, widest=16),
    Setting(gpus=512, jobs=1000, hours=1, widest=16),
    Setting(gpus=4096, jobs=800, hours=8, widest=16, gpus_per_worker=8),
)
#: Seconds between two decisions of the others, where each does best (of 30, 120 and 600).
INTERVALS = {"equal_share": 30.0, "optimus": 600.0, "pollux": 30.0}

Maker = Callable[[Sequence[Task]], Policy]


def makers(intervals: dict[str, float]) -> dict[str, Maker]:
    """A fresh policy for each run; FIFO is told the requested sizes."""
    return {
        "ours": lambda _: ours(),
        "fifo": lambda coming: fifo({task.name: task.requested for task in coming}),
        "equal_share": lambda _: every(intervals["equal_share"], equal_share),
        "optimus": lambda _: every(intervals["optimus"], optimus),
        "pollux": lambda _: every(intervals["pollux"], Pollux()),
    }


def main() -> None:
    """Run all, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="3 seeds, 8 and 64 GPUs")
    parser.add_argument("--seeds", type=int, help="how many (default 20)")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--load", type=float, help="see Setting (default 0.95)")
    parser.add_argument("--intervals", type=float, help="of all others, in seconds")
    arguments = parser.parse_args()
    settings = SETTINGS[:2] if arguments.quick else SETTINGS
    if arguments.load:
        settings = tuple(replace(setting, load=arguments.load) for setting in settings)
    pace = arguments.intervals
    intervals = dict.fromkeys(INTERVALS, pace) if pace else INTERVALS
    count = arguments.seeds or (3 if arguments.quick else 20)
    seeds = range(arguments.first, arguments.first + count)
    figures = compared([runs(settings, seed, makers(intervals)) for seed in seeds])
    about = {"seeds": count, "load": settings[0].load, "decide_ms": decide_ms()}
    print(json.dumps(figures | about | {"machine": machine(), "date": time.strftime("%Y-%m-%d")}))


def runs(
    settings: Sequence[Setting], seed: int, policies: dict[str, Maker]
) -> dict[int, dict[str, Outcome]]:
    """Of one seed: by GPUs and policy."""
    found: dict[int, dict[str, Outcome]] = {}
    for setting in settings:
        coming = tasks(replace(setting, diurnal=seed % 2 == 1), seed)
        found[setting.gpus] = {
            name: simulate(coming, setting.gpus, make(coming)) for name, make in policies.items()
        }
        means = (f"{name} {mean(o):,.0f}" for name, o in found[setting.gpus].items())
        print(f"seed {seed}, {setting.gpus} GPUs, mean s:", ", ".join(means), flush=True)
    return found


def compared(seeds: list[dict[int, dict[str, Outcome]]]) -> dict[str, Any]:
    """All figures."""
    figures: dict[str, Any] = {}
    for other in [name for name in seeds[0][next(iter(seeds[0]))] if name != "ours"]:
        for what, measure in (("mean", mean), ("p99", p99)):
            by_seed = [
                {gpus: measure(o["ours"]) / measure(o[other]) for gpus, o in seed.items()}
                for seed in seeds
            ]
            whole = [statistics.geometric_mean(ratios.values()) for ratios in by_seed]
            figures[f"{what}_vs_{other}"] = {
                "median": round(statistics.median(whole), 3),
                "worst": round(max(whole), 3),
                "loses": round(sum(ratio > 1 for ratio in whole) / len(whole), 3),
                "by_gpus": {
                    gpus: round(statistics.median(ratios[gpus] for ratios in by_seed), 3)
                    for gpus in by_seed[0]
                },
            }
    return figures


def mean(outcome: Outcome) -> float:
    """Completion time, seconds."""
    return statistics.fmean(outcome.completion)


def p99(outcome: Outcome) -> float:
    """Completion time, seconds."""
    return percentile(outcome.completion, 99)


def decide_ms(rounds: int = 15) -> dict[str, float]:
    """1,000 jobs on 4,096 GPUs: medians, with all curves to be fitted, and with none (known)."""
    rng = random.Random(1)
    jobs = [_job(rng, number) for number in range(1000)]
    capacity = Capacity((8,) * 512)
    sizes = allocate(jobs, capacity, 0.0)
    jobs = [replace(job, workers=sizes[job.name].workers) for job in jobs]
    cold: list[float] = []
    warm: list[float] = []
    for number in range(rounds):
        gone = [replace(job, remaining=job.remaining * rng.random()) for job in jobs]
        fit.cache_clear()
        for times in (cold, warm):
            begin = time.perf_counter()
            allocate(gone, capacity, 3600.0 + number)
            times.append((time.perf_counter() - begin) * 1000)
    return {
        "fitting": round(statistics.median(cold), 1),
        "known": round(statistics.median(warm), 1),
    }


def _job(rng: random.Random, number: int) -> Job:
    rate = 20_000 * rng.uniform(0.5, 2)
    points = tuple((n, rate * n / (1 + rng.uniform(0, 0.1) * n)) for n in (1, 2, 4, 8))
    remaining = rate * 3600 * rng.lognormvariate(0, 1.4)
    return Job(
        f"job-{number}", 1, rng.choice((4, 8, 16, 32)), remaining, -rng.random(), 1.0, points
    )


if __name__ == "__main__":
    main()
