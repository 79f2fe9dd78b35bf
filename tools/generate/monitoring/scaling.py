"""The dashboard Scaling efficiency: what a job gets for its workers."""

from generate.monitoring import recorded
from generate.monitoring.jobs import IT, MARKS, ONE_JOB, WINDOW, own_work
from generate.monitoring.panels import Limits, Query, board, by_size, graph, number
from generate.monitoring.promql import PROCESS, counted, each, of, rate, summed
from nerf_contract import metrics as m

_EFFICIENCY = Limits.at_least(0.5, 0.8)
_STEPS = f"scalar(sum({counted(m.STEP_SECONDS, WINDOW, IT)}))"
_WAITS = rate(m.PHASE_SECONDS, WINDOW, f'{IT}, phase="all_reduce"')
_ALL_REDUCE = f"sum({_WAITS}) / sum({summed(m.STEP_SECONDS, WINDOW, IT)})"
_SPEED = each("max", ("world_size",), of(m.GROUP_RAYS, IT))
_ALONE = each("max", ("namespace", "job"), of(m.GROUP_RAYS, f'{IT}, world_size="1"'))
_OWN = own_work()


def dashboard() -> str:
    """charts/nerf-operator/files/dashboards/scaling-efficiency.json"""
    return board(
        "nerf-scaling-efficiency",
        "NeRF / Scaling efficiency",
        "What a NeRFJob gets for its workers, and what it pays for them. Marks show when its group "
        "last changed.",
        ONE_JOB,
        {"Now": _now(), "Speed by size": _speed(), "Where the time of a step goes": _steps()},
        MARKS,
    )


def _now() -> list[object]:
    return [
        number(
            "Scaling efficiency",
            "Rays per second of the group by its size times those of one process. No data until "
            "the job has trained with one process.",
            "percentunit",
            Query(recorded.EFFICIENCY.where(IT), "efficiency"),
            6,
            _EFFICIENCY,
        ),
        number(
            "Processes",
            "Worker processes that train together.",
            "none",
            Query(recorded.WORLD_SIZE.where(IT), "processes"),
            6,
        ),
        number(
            "Rays per second",
            "Of all processes together, over two minutes.",
            "suffix: rays/s",
            Query(recorded.RAYS.where(IT), "rays/s"),
            6,
        ),
        number(
            "All-reduce share",
            "Part of a step in which processes add up their gradients, and wait for each other.",
            "percentunit",
            Query(_ALL_REDUCE, "all-reduce"),
            6,
            Limits.at_most(0.2, 0.4),
        ),
    ]


def _speed() -> list[object]:
    efficiency = each("max", ("world_size",), of(m.SCALING_EFFICIENCY, IT))
    return [
        by_size(
            "Rays per second against processes",
            "The speed of groups of each size that the job has had, as the median of their last "
            "steps, and what it would be if each process did as much as one alone.",
            "suffix: rays/s",
            Query(_SPEED, "measured"),
            Query(f"{_SPEED} / {efficiency}", "ideal"),
        ),
        graph(
            "Scaling efficiency",
            "Of the group as it was. Below the lower line, workers are better used by others.",
            "percentunit",
            Query(recorded.EFFICIENCY.where(IT), "efficiency"),
            limits=_EFFICIENCY,
            most=1.1,
        ),
        graph(
            "Rays per second",
            "Of all processes together, with all pauses, and what as many undisturbed ones would "
            "do if each did as much as one alone.",
            "suffix: rays/s",
            Query(recorded.RAYS.where(IT), "measured"),
            Query(f"{recorded.WORLD_SIZE.where(IT)} * on (namespace, job) {_ALONE}", "ideal"),
        ),
        graph(
            "Processes",
            "That train together, and that answer; those that only answer start, or wait.",
            "none",
            Query(recorded.WORLD_SIZE.where(IT), "train together"),
            Query(recorded.PROCESSES.where(IT), "answer"),
            steps=True,
        ),
    ]


def _steps() -> list[object]:
    phases = each("sum", ("phase",), rate(m.PHASE_SECONDS, WINDOW, IT))
    slowest = f"max({_OWN}) / quantile(0.5, {_OWN}) - 1"
    return [
        graph(
            "Time by phase of a step",
            "Mean over all processes. Evaluations and checkpoints are spread over the steps "
            "between them.",
            "s",
            Query(f"{phases} / {_STEPS}", "{{phase}}"),
            stacked=True,
        ),
        graph(
            "All-reduce share of a step",
            "Adding up gradients, with the time that fast processes wait for slow ones.",
            "percentunit",
            Query(_ALL_REDUCE, "all-reduce"),
            limits=Limits.at_most(0.2, 0.4),
            most=1,
        ),
        graph(
            "Own work in a step, by process",
            "A step without its all-reduce: the process with the most of it is the one that the "
            "others wait for.",
            "s",
            Query(_OWN, f"{{{{{PROCESS[0]}}}}} / {{{{{PROCESS[1]}}}}}"),
        ),
        graph(
            "Straggler",
            "By how much the own work of the slowest process exceeds that of the median one.",
            "percentunit",
            Query(slowest, "slowest"),
            limits=Limits.at_most(0.1, 0.25),
            least=0,
        ),
    ]
