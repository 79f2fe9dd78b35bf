"""How much faster two processes are than one, what is missing to twice, and what GPUs would do.

    make bench-scaling               8 minutes; ONLY="mlp" for one of the models

The global batch is the same for any number of processes, so each has half of it. Trainings of one
process, of two, and of two that know nothing of each other are run in turns: the last pair tells
what the machine itself costs, as its cores share caches and memory. One process has one thread.
Efficiency is rays/s of two by twice those of one. `cores_of_others`: what else ran on the machine,
at most; where it is not near 0, figures mean nothing. The last line of the output is one JSON
object.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from elastic_job import Job
from elastic_launch import Launch
from elastic_notes import Note, median_step
from machine import cpu_seconds_of_others, machine
from scaling_model import predictions

from nerf_trainer.scenes.demo import generate

ROUNDS = 3
#: Steps of a training, of which the first ones are left out.
STEPS, SETTLED = 80, 20
MODELS: dict[str, dict[str, Any]] = {
    "mlp": {
        "model": {"type": "mlp"},
        "training": {"raysPerBatch": 128, "samplesPerRay": 64, "shards": 2},
    },
    "hashgrid": {"training": {}},
}


def main() -> None:
    """Measure the models, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=MODELS, default=[*MODELS], metavar="MODEL")
    only = parser.parse_args().only
    with tempfile.TemporaryDirectory() as folder:
        scene = Path(folder) / "scene"
        generate(scene, photos=12, width=128)
        figures = {name: Measured(Path(folder), scene, name).figures() for name in only}
    found = {"measured": figures, "predicted": predictions()}
    print(json.dumps(found | {"machine": machine(), "date": time.strftime("%Y-%m-%d")}))


class Measured:
    """One model by one process, two, and two strangers."""

    def __init__(self, work: Path, scene: Path, name: str) -> None:
        self._work, self._scene, self._name = work, scene, name
        self._steps: dict[str, list[float]] = defaultdict(list)
        self._phases: dict[str, list[dict[str, float]]] = defaultdict(list)
        self._others: list[float] = []

    def figures(self) -> dict[str, Any]:
        """Seconds are medians."""
        for _ in range(ROUNDS):
            self._run("one", worlds=(1,))
            self._run("two", worlds=(2,))
            self._run("strangers", worlds=(1, 1))
        one, two, strangers = (
            statistics.median(self._steps[kind]) for kind in ("one", "two", "strangers")
        )
        missing = two - one / 2
        return {
            "one_s": round(one, 4),
            "two_s": round(two, 4),
            "efficiency": round(one / 2 / two, 3),
            "efficiency_of_strangers": round(one / strangers, 3),
            "missing_ms_by_phase": self._missing(),
            "missing_ms": round(missing * 1000, 1),
            "cores_of_others": round(max(self._others), 2),
        }

    def _missing(self) -> dict[str, float]:
        """Milliseconds of a step of two beyond half of those of one."""
        one, two = (self._median_phases(kind) for kind in ("one", "two"))
        return {phase: round((two[phase] - one[phase] / 2) * 1000, 1) for phase in two}

    def _median_phases(self, kind: str) -> dict[str, float]:
        found = self._phases[kind]
        return {phase: statistics.median(each[phase] for each in found) for phase in found[0]}

    def _run(self, kind: str, worlds: tuple[int, ...]) -> None:
        began, others = time.monotonic(), cpu_seconds_of_others()
        with ExitStack() as stack:
            jobs = [stack.enter_context(self._job(kind, world)) for world in worlds]
            for job, world in zip(jobs, worlds, strict=True):
                for index in range(world):
                    job.start_pod(index)
            for job in jobs:
                job.wait(job.done, "the end of the training", 600)
                for agent in job.agents.values():
                    agent.wait(60)
            settled = [[note for note in job.notes() if note.step > SETTLED] for job in jobs]
        others = (cpu_seconds_of_others() - others) / (time.monotonic() - began)
        self._others.append(others)
        notes = [note for of_job in settled for note in of_job]
        times = [[n.time for n in of_job if n.pod == 0] for of_job in settled]
        self._steps[kind].append(median_step(times))
        self._phases[kind].append(_phases(notes))
        step = f"{self._steps[kind][-1] * 1000:.1f} ms a step"
        print(f"  {self._name}, {kind}: {step}; others took {others:.2f} cores", flush=True)

    def _job(self, kind: str, world: int) -> Job:
        own = MODELS[self._name]
        training = {"steps": STEPS, "evalEvery": STEPS, "threads": 1, "device": "cpu"}
        config = {
            "dataset": {"holdoutEvery": 6},
            "checkpoint": {"intervalSeconds": 600, "snapshotSeconds": 600},
            **own,
            "training": training | own["training"],
        }
        name = f"{self._name}-{kind}-{time.monotonic_ns()}"
        return Job(Launch(self._work / name, self._scene, config, min_pods=world))


def _phases(notes: list[Note]) -> dict[str, float]:
    """Median seconds of each phase."""
    phases = notes[0].phases
    return {phase: statistics.median(n.phases.get(phase, 0.0) for n in notes) for phase in phases}


if __name__ == "__main__":
    main()
