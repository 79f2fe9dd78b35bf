"""A training whose group changes, as processes of this machine that a Prometheus can scrape.

    python3 bench/dashboards_job.py FOLDER      in the trainer image, with the host's network

FOLDER gets `targets.json`, for Prometheus' file_sd, and `figures.json`: the speed of one process
and of two, from what the processes noted of each step.
"""

import json
import re
import sys
import tempfile
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

from elastic_job import Job
from elastic_launch import Launch
from elastic_notes import Note, median_step

from nerf_trainer.ledger import WINDOW
from nerf_trainer.scenes.demo import generate

NAMESPACE, JOB = "lab", "garden"
#: Groups, and steps that each is to do.
GROUPS = ((1, 400), (2, 500), (1, 300), (2, 1000))
CONFIG: dict[str, Any] = {
    "dataset": {"holdoutEvery": 6},
    "model": {"levels": 8, "log2TableSize": 14, "finestResolution": 128, "hiddenWidth": 16},
    "training": {
        **{"steps": 100_000, "raysPerBatch": 1024, "samplesPerRay": 32, "evalEvery": 60},
        **{"threads": 1, "device": "cpu", "compile": False},
    },
    "checkpoint": {"intervalSeconds": 10},
}


def main() -> None:
    """Train, and leave the figures."""
    folder = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as work:
        scene = Path(work) / "scene"
        generate(scene, photos=24, width=160)
        launch = Launch(Path(work) / "job", scene, CONFIG)
        starts: Counter[int] = Counter()
        with Job(launch) as job:
            for world, steps in GROUPS:
                starts.update(_resize(job, world))
                there = {index: starts[index] for index in job.agents}
                told = partial(_tell_targets, folder, launch.folder, there)
                job.wait(told, "an address of each pod", 120)
                job.wait_for_world(world, steps, seconds=300)
                print(f"{world} process(es): step {job.step()}", flush=True)
            figures = _figures(job.notes())
        (folder / "figures.json").write_text(json.dumps(figures))


def _resize(job: Job, world: int) -> list[int]:
    """Pods that are started."""
    started = [index for index in range(world) if index not in job.agents]
    for index in started:
        job.start_pod(index)
    for index in [index for index in job.agents if index >= world]:
        job.terminate_pod(index)
    return started


def _tell_targets(folder: Path, logs: Path, there: dict[int, int]) -> bool:
    """The address of each pod, once all have one. there: pods, and how often they were started."""
    targets = []
    for index, starts in there.items():
        log = (logs / f"pod-{index}.log").read_text()
        found = re.findall(r"status at http://(127\.0\.0\.1:\d+)/status", log)
        if len(found) < starts:
            return False
        labels = {"namespace": NAMESPACE, "job": JOB, "pod": f"{JOB}-worker-{index}-0"}
        targets.append({"targets": found[-1:], "labels": labels})
    draft = folder / "targets.draft"
    draft.write_text(json.dumps(targets))
    draft.rename(folder / "targets.json")
    return True


def _figures(notes: list[Note]) -> dict[str, float]:
    """Rays per second of the last group of two, and of the last of one at its end.

    efficiency: its median over the last group of two, from the last steps at each moment, as the
    ledger has it. since: Unix time from which on there were as many as it takes.
    """
    mine = sorted((note for note in notes if note.pod == 0), key=lambda note: note.time)
    groups = [list(group) for _, group in groupby(mine, key=lambda note: note.generation)]
    newest = {group[0].world: group for group in groups if len(group) > WINDOW}
    one, of_two = _speed(newest[1][-WINDOW - 1 :]), newest[2]
    two = median(_speed(of_two[i - WINDOW : i + 1]) for i in _each_second(of_two))
    since = of_two[WINDOW].time + time.time() - time.monotonic()
    found = {"rays_per_second_1": one, "rays_per_second_2": two, "efficiency": two / (2 * one)}
    return found | {"since": since}


def _each_second(notes: list[Note]) -> Iterator[int]:
    """Index of the last step at each second, as a dashboard is looked at: fast ones are no more."""
    times = [note.time for note in notes]
    first, last = times[WINDOW], times[-1]
    for second in range(int(last - first) + 1):
        yield bisect_right(times, first + second) - 1


def _speed(steps: list[Note]) -> float:
    return steps[0].rays / median_step([[step.time for step in steps]])


if __name__ == "__main__":
    main()
