"""What elasticity costs: pauses, lost work and broken promises, of real processes on loopback.

    make bench-elastic               25 minutes; QUICK=1 for one of four; ONLY="changes stock"

Worker pods are torchrun agents with our rendezvous, each with a process that runs the trainer, and
the coordinator is a process beside them. They join and leave by plan, and are killed at random; the
weights at the end must be those of an undisturbed training, bit by bit. The same changes are done
by stock torchrun, whose time-outs are cut to 1 s and whose script resumes from memory, from a
checkpoint of every step. A pause lasts from the end of the last step before a change to the end of
the first one after, less a median step. The last line of the output is one JSON object.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elastic_changes import fixed, planned, resumed, step_seconds, stock
from elastic_job import BenchError, Job
from elastic_kills import GoodputPlan, goodput, random_kills
from elastic_launch import Launch
from machine import machine
from percentiles import percentile

from nerf_trainer.scenes.demo import generate

SEED = 1
#: The default model, small and plain enough to start soon, with steps of a tenth of a second.
SMALL = {"raysPerBatch": 512, "samplesPerRay": 96, "compile": False}
#: A GPU waits for each of the small operations that a large grid is looked at by.
MODEL: dict[str, dict[str, int]] = {"cpu": {}, "cuda": {"occupancyResolution": 32}}


@dataclass(frozen=True)
class Plan:
    """worlds, steps: of undisturbed trainings, and of all whose weights are compared.

    rounds, stock_rounds: of planned changes. kills: in all. pairs, default_steps: trainings by
    `exact` and by `fast`, and their steps.
    """

    worlds: tuple[int, ...]
    steps: int
    rounds: int
    stock_rounds: int
    kills: int
    goodput: GoodputPlan
    pairs: int
    default_steps: int


QUICK = Plan(
    worlds=(1,),
    steps=60,
    rounds=1,
    stock_rounds=1,
    kills=3,
    goodput=GoodputPlan(seconds=15, kill_every=15, undisturbed=3, settled=40),
    pairs=1,
    default_steps=20,
)
WHOLE = Plan(
    worlds=(1, 2, 4),
    steps=500,
    rounds=3,
    stock_rounds=2,
    kills=100,
    goodput=GoodputPlan(seconds=240, kill_every=60, undisturbed=15, settled=600),
    pairs=3,
    default_steps=200,
)
PARTS = ("changes", "goodput", "overhead", "stock")


def main() -> None:
    """Run the parts, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="for all pods")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scene = Path(folder) / "scene"
        generate(scene, photos=12, width=64)
        plan = QUICK if arguments.quick else WHOLE
        bench = Bench(Path(folder), scene, plan, arguments.device)
        figures = bench.figures(arguments.only)
    about = {"quick": arguments.quick, "machine": machine(), "date": time.strftime("%Y-%m-%d")}
    print(json.dumps(figures | about))


class Bench:
    """All parts, one after the other."""

    def __init__(self, work: Path, scene: Path, plan: Plan, device: str) -> None:
        self._work, self._scene, self._plan, self._device = work, scene, plan, device

    def figures(self, only: Sequence[str]) -> dict[str, Any]:
        """Of these parts."""
        parts = (self._changes, self._goodput, self._overhead, self._stock)
        found: dict[str, Any] = {}
        for name, part in zip(PARTS, parts, strict=True):
            if name in only:
                found |= part()
        if {"pause_p50_s", "torchrun_pause_p50_s"} <= found.keys():
            ratio = found["torchrun_pause_p50_s"] / max(found["pause_p50_s"], 1e-3)
            found["ratio_vs_torchrun"] = round(ratio, 1)
        return found

    def _changes(self) -> dict[str, Any]:
        plan = self._plan
        told("trainings of a fixed world")
        undisturbed = [fixed(self._job, world, plan.steps) for world in plan.worlds]
        told("planned changes")
        rounds = [planned(self._job, number, plan.steps) for number in range(plan.rounds)]
        told("random kills")
        kills = random_kills(self._job, plan.kills, plan.steps, SEED)
        told("all killed, and resumed from the volume")
        again = resumed(self._job, plan.steps)
        results = [*undisturbed, *(r.result for r in rounds), *kills.results, again]
        pauses = [pause for one in rounds for pause in one.pauses]
        return {
            "pause_p50_s": seconds(statistics.median(pauses)),
            "pause_p95_s": seconds(percentile(pauses, 95)),
            "pause_max_s": seconds(max(pauses)),
            "changes": len(pauses),
            "steps_lost": sum(one.lost for one in rounds),
            "steps_repeated": sum(one.repeated for one in rounds),
            "kills": kills.count,
            "hangs": kills.hangs,
            "recovery_p95_s": seconds(percentile(kills.recoveries, 95)),
            "steps_redone_after_kills": kills.redone,
            "weights_identical": len({one.weights for one in results}) == 1,
            "trainings_compared": len(results),
            "psnr_difference_db": max(abs(r.psnr - undisturbed[0].psnr) for r in results),
        }

    def _goodput(self) -> dict[str, Any]:
        plan = self._plan.goodput
        told(f"goodput with a kill every {plan.kill_every} s")
        return {"goodput": round(goodput(self._job, plan, SEED), 3)}

    def _overhead(self) -> dict[str, Any]:
        told("the default model, exact and fast")
        times: dict[str, list[float]] = {"exact": [], "fast": []}
        for _ in range(self._plan.pairs):
            for kind, found in times.items():
                found.append(step_seconds(self._default_job, kind, self._plan.default_steps))
        exact, fast = (statistics.median(found) for found in times.values())
        return {"exact_overhead_percent": round((exact / fast - 1) * 100, 1)}

    def _stock(self) -> dict[str, Any]:
        told("the planned changes by stock torchrun")
        rounds, steps = range(self._plan.stock_rounds), self._plan.steps
        pauses = [pause for number in rounds for pause in stock(self._job, number, steps)]
        return {
            "torchrun_pause_p50_s": seconds(statistics.median(pauses)),
            "torchrun_changes": len(pauses),
        }

    @contextmanager
    def _job(self, name: str, steps: int, **more: Any) -> Iterator[Job]:
        training = SMALL | {"determinism": "exact"}
        with self._training(name, steps, training, **more) as job:
            yield job

    @contextmanager
    def _default_job(self, name: str, steps: int, kind: str, **more: Any) -> Iterator[Job]:
        with self._training(name, steps, {"determinism": kind}, **more) as job:
            yield job

    @contextmanager
    def _training(
        self, name: str, steps: int, training: dict[str, Any], **more: Any
    ) -> Iterator[Job]:
        """A job. Its logs are shown where anything goes wrong."""
        config = {
            "dataset": {"holdoutEvery": 6},
            "model": MODEL[self._device],
            "training": {"steps": steps, "evalEvery": steps, "threads": 1, "device": self._device}
            | training,
            "checkpoint": {"intervalSeconds": 1, "snapshotSeconds": 1},
        }
        with Job(Launch(self._work / name, self._scene, config, **more)) as job:
            try:
                yield job
            except BenchError:
                raise
            except Exception:
                print(job.logs(), flush=True)
                raise


def told(part: str) -> None:
    """What is measured now."""
    print(time.strftime("%H:%M:%S"), part, flush=True)


def seconds(value: float) -> float:
    """To milliseconds."""
    return round(value, 3)


if __name__ == "__main__":
    main()
