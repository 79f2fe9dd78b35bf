"""Jobs that live through random rescales, crashes, edits and losses of nodes, watched all along.

    make soak MINUTES=30 SEED=0          on the local cluster of two nodes

A fault a minute, or as many as asked for, on a few small jobs. All along: no rank is held twice and
no two groups of a job train at once, no checkpoint is lost, nothing is left of what was deleted, no
deletion is stuck, no job fails, and the operator's memory, descriptors and children stay bounded.
The last line of the output is one JSON object; the exit status is 1 where something was violated.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from typing import Any

from e2e_support.kube import KubectlError, Namespace, wait_for
from elastic_pods_job import namespace
from machine import machine
from soak_acts import Acts
from soak_checks import Checks, OperatorFigures

#: A job that was disturbed is whole again in this time, once nothing happens any more.
CALM_SECONDS = 180
LOOK_SECONDS = 4


def main() -> int:
    """Soak, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="at a time; default 2")
    parser.add_argument("--every", type=float, default=60, help="seconds between faults")
    arguments = parser.parse_args()
    with namespace() as place:
        figures = soak(place, arguments)
    told = {"seed": arguments.seed, "every_s": arguments.every, "machine": machine()}
    print(json.dumps(figures | told | {"date": time.strftime("%Y-%m-%d")}))
    return 1 if figures["violations"] else 0


def soak(place: Namespace, arguments: argparse.Namespace) -> dict[str, Any]:
    """What happened, and what was found of it."""
    acts = Acts(place, random.Random(arguments.seed), arguments.jobs)
    checks, operator = Checks(acts), OperatorFigures()
    done: Counter[str] = Counter()
    begin = time.monotonic()
    end, due = begin + 60 * arguments.minutes, begin + arguments.every / 2
    acts.fill()
    try:
        while (now := time.monotonic()) < end:
            if now >= due:
                due += arguments.every
                done[said(acts.one())] += 1
            operator.look(now - begin)
            checks.look()
            time.sleep(LOOK_SECONDS)
    finally:
        acts.mend()
    try:
        wait_for("all jobs are whole", acts.whole, CALM_SECONDS)
    except TimeoutError as error:
        checks.found(str(error))
    checks.look(last=True)
    goodput = acts.goodput()
    acts.clear()
    checks.nothing_left()
    figures: dict[str, Any] = {
        "minutes": arguments.minutes,
        "acts": dict(done),
        "jobs_made": acts.made,
    }
    figures["most_children"] = checks.most_children
    return figures | {"violations": checks.violations, "goodput": goodput} | operator.figures()


def said(act: str) -> str:
    """Tell of an act."""
    print(time.strftime("%H:%M:%S"), act, flush=True)
    return act.partition(" ")[0]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KubectlError as error:
        sys.exit(f"soak: {error}")
