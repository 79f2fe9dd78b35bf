"""The dashboard Fleet: all jobs, the GPUs that they share, and who waits."""

from generate.monitoring import recorded
from generate.monitoring.panels import Limits, Query, bars, board, choice, graph, number
from generate.monitoring.promql import each, of, quantile, rate
from nerf_contract import metrics as m

WINDOW = "$__rate_interval"
THESE = 'namespace=~"$namespace", job=~"$job"'
_JOBS = (
    choice("namespace", "Namespace", m.RESIDENT_MEMORY.name, several=True),
    choice("job", "Job", of(m.RESIDENT_MEMORY, 'namespace=~"$namespace"'), several=True),
)
_NAME = "{{namespace}}/{{job}}"


def dashboard() -> str:
    """charts/nerf-operator/files/dashboards/fleet.json"""
    return board(
        "nerf-fleet",
        "NeRF / Fleet",
        "All NeRFJobs: who trains, who waits, and what becomes of the GPUs. Counts of jobs and "
        "GPUs are of the whole cluster; the choice of jobs is for what they tell themselves.",
        _JOBS,
        {
            "Now": _now(),
            "Jobs and GPUs": _jobs(),
            "What the jobs do": _work(),
            "Jobs whose size the operator chooses": _allocator(),
        },
    )


def _state(condition: str) -> str:
    matcher = f'condition="{condition}"'
    return f"sum({of(m.JOBS, matcher)})"


def _gpus(state: str) -> str:
    matcher = f'state="{state}"'
    return f"sum({of(m.GPUS, matcher)})"


def _now() -> list[object]:
    longest = f"max({recorded.PENDING.name}) or vector(0)"
    return [
        number("Training", "Jobs that train.", "none", Query(_state("Running"), "jobs")),
        number(
            "Pending",
            "Jobs that are to train, and do not.",
            "none",
            Query(f"count({recorded.PENDING.name}) or vector(0)", "jobs"),
        ),
        number(
            "Stalled",
            "Jobs that wait for a person.",
            "none",
            Query(_state("Stalled"), "jobs"),
            limits=Limits.at_most(1, 5),
        ),
        number(
            "Longest wait",
            "Of the jobs that are pending now.",
            "s",
            Query(longest, "wait"),
            limits=Limits.at_most(600, 1800),
        ),
        number("GPUs held", "By pods of jobs.", "none", Query(_gpus("held"), "GPUs")),
        number(
            "Goodput",
            "Mean of the jobs that train.",
            "percentunit",
            Query(f"avg({recorded.GOODPUT.where(THESE)})", "goodput"),
            limits=Limits.at_least(0.7, 0.9),
        ),
    ]


def _jobs() -> list[object]:
    return [
        graph(
            "Jobs by condition",
            "For how many jobs each condition is true; several may be.",
            "none",
            Query(each("sum", ("condition",), m.JOBS.name), "{{condition}}"),
            steps=True,
        ),
        graph(
            "GPUs",
            "Wanted by jobs that are to train, held by their pods, and free of these. Pods of "
            "others may hold free ones.",
            "none",
            Query(_gpus("wanted"), "wanted"),
            Query(_gpus("held"), "held"),
            Query(f"{_gpus('total')} - {_gpus('held')}", "free"),
            steps=True,
        ),
        graph(
            "Pending jobs",
            "How long each has waited, and why.",
            "s",
            Query(recorded.PENDING.name, f"{_NAME} {{{{reason}}}}"),
            limits=Limits.at_most(600, 1800),
        ),
        graph(
            "Wait before training",
            "Of jobs that started in the last hour: for GPUs, nodes, image, photos, compilation.",
            "s",
            Query(quantile(0.5, m.JOB_START, "1h"), "median"),
            Query(quantile(0.95, m.JOB_START, "1h"), "95 %"),
        ),
    ]


def _work() -> list[object]:
    lost = each("sum", ("cause",), rate(m.LOST_SECONDS, WINDOW, THESE))
    return [
        graph(
            "Rays per second, by job",
            "Of all processes of a job together.",
            "suffix: rays/s",
            Query(recorded.RAYS.where(THESE), _NAME),
            stacked=True,
        ),
        graph(
            "Processes, by job",
            "That train together.",
            "none",
            Query(recorded.WORLD_SIZE.where(THESE), _NAME),
            stacked=True,
            steps=True,
        ),
        bars(
            "Goodput, by job",
            "Rays trained, each once, by those that an undisturbed group of the wanted size would "
            "have trained.",
            "percentunit",
            Query(recorded.GOODPUT.where(THESE), _NAME),
            limits=Limits.at_least(0.7, 0.9),
        ),
        bars(
            "Scaling efficiency, by job",
            "Rays per second of the group by its size times those of one process.",
            "percentunit",
            Query(recorded.EFFICIENCY.where(THESE), _NAME),
            limits=Limits.at_least(0.5, 0.8),
        ),
        graph(
            "Lost time by cause",
            "Seconds that jobs lose in a second: 1 is a job that does nothing useful.",
            "none",
            Query(lost, "{{cause}}"),
            stacked=True,
        ),
        graph(
            "Useful time, by job",
            "Share of the last 30 minutes that was training.",
            "percentunit",
            Query(recorded.USEFUL.where(THESE), _NAME),
            limits=Limits.at_least(0.7, 0.9),
            most=1,
        ),
    ]


def _allocator() -> list[object]:
    changes = each("sum", ("reason",), f"increase({m.ALLOCATION_CHANGES.name}[5m])")
    return [
        graph(
            "Decisions",
            "Changes of the size of jobs with scaling.policy Auto in five minutes, by reason.",
            "none",
            Query(changes, "{{reason}}"),
            stacked=True,
        ),
        graph(
            "GPUs for such jobs",
            "Free ones and those that such jobs hold, and how many of them are allocated.",
            "none",
            Query(each("sum", ("state",), m.ALLOCATION_GPUS.name), "{{state}}"),
            steps=True,
        ),
        graph(
            "Such jobs",
            "That train, and that wait for GPUs.",
            "none",
            Query(each("sum", ("state",), m.ALLOCATION_JOBS.name), "{{state}}"),
            stacked=True,
            steps=True,
        ),
        graph(
            "Time of a decision",
            "Over all such jobs at once.",
            "s",
            Query(quantile(0.5, m.ALLOCATION_SECONDS, WINDOW), "median"),
            Query(quantile(0.99, m.ALLOCATION_SECONDS, WINDOW), "99 %"),
            limits=Limits.at_most(0.1, 1),
        ),
    ]
