"""The dashboard Operator: whether it keeps up, and what it costs."""

from generate.monitoring.alerts import LATE_SECONDS, STALE_SECONDS
from generate.monitoring.panels import Limits, Query, board, choice, graph, number
from generate.monitoring.promql import each, of, quantile, rate
from nerf_contract import metrics as m

WINDOW = "$__rate_interval"
IT = 'namespace="$namespace"'
_WATCHES, _LAG = Limits.at_most(120, STALE_SECONDS), Limits.at_most(1, LATE_SECONDS)


def dashboard() -> str:
    """charts/nerf-operator/files/dashboards/operator.json"""
    return board(
        "nerf-operator",
        "NeRF / Operator",
        "Whether the operator keeps up with its jobs, and what it costs.",
        (choice("namespace", "Namespace of the operator", m.LEADER.name),),
        {"Now": _now(), "Passes and API": _work(), "Health": _health(), "Process": _process()},
    )


def _now() -> list[object]:
    return [
        number(
            "Operators that work",
            "One, of however many there are.",
            "none",
            Query(f"sum({of(m.LEADER, IT)})", "operators"),
            6,
            Limits(("red", "green", "red"), (1, 2)),
        ),
        number(
            "Queue",
            "Jobs that wait for a pass.",
            "none",
            Query(f"sum({of(m.QUEUE_DEPTH, IT)})", "jobs"),
            6,
            Limits.at_most(50, 500),
        ),
        number(
            "Oldest watch",
            "Time since the most silent watch told anything.",
            "s",
            Query(f"max({of(m.WATCH_AGE, IT)})", "age"),
            6,
            _WATCHES,
        ),
        number(
            "Memory",
            "Resident memory of the operator's process.",
            "bytes",
            Query(f"max({of(m.RESIDENT_BYTES, IT)})", "memory"),
            6,
            Limits.at_most(150e6, 256e6),
        ),
    ]


def _work() -> list[object]:
    passes = f"rate({m.RECONCILE_SECONDS.name}_count{{{IT}}}[{WINDOW}])"
    requests = rate(m.API_REQUESTS, WINDOW, IT)
    return [
        graph(
            "Passes",
            "Over jobs, by the second and by how they ended.",
            "suffix: passes/s",
            Query(each("sum", ("result",), passes), "{{result}}"),
            stacked=True,
        ),
        graph(
            "Time of a pass",
            "With its calls to the API server.",
            "s",
            Query(quantile(0.5, m.RECONCILE_SECONDS, WINDOW, IT), "median"),
            Query(quantile(0.99, m.RECONCILE_SECONDS, WINDOW, IT), "99 %"),
            limits=Limits.at_most(0.5, 2),
        ),
        graph(
            "API requests, by verb",
            "To the API server.",
            "reqps",
            Query(each("sum", ("verb",), requests), "{{verb}}"),
            stacked=True,
        ),
        graph(
            "API requests, by answer",
            "HTTP codes of the API server. Some 404 and 409 are normal: someone else was faster.",
            "reqps",
            Query(each("sum", ("code",), requests), "{{code}}"),
        ),
    ]


def _health() -> list[object]:
    return [
        graph(
            "Jobs in the queue",
            "That wait for a pass.",
            "none",
            Query(each("sum", ("pod",), of(m.QUEUE_DEPTH, IT)), "{{pod}}"),
        ),
        graph(
            "Age of watches",
            "Time since each kind's watch told anything. The API server speaks up once a minute.",
            "s",
            Query(each("max", ("kind",), of(m.WATCH_AGE, IT)), "{{kind}}"),
            limits=_WATCHES,
        ),
        graph(
            "Event loop",
            "How late it is; the operator is restarted where that lasts.",
            "s",
            Query(each("max", ("pod",), of(m.LOOP_LAG, IT)), "{{pod}}"),
            limits=_LAG,
        ),
        graph(
            "Who holds the Lease",
            "1 for the operator that works.",
            "none",
            Query(each("max", ("pod",), of(m.LEADER, IT)), "{{pod}}"),
            steps=True,
        ),
    ]


def _process() -> list[object]:
    return [
        graph(
            "Memory",
            "Resident memory.",
            "bytes",
            Query(each("max", ("pod",), of(m.RESIDENT_BYTES, IT)), "{{pod}}"),
        ),
        graph(
            "CPU",
            "Cores that are busy.",
            "percentunit",
            Query(each("sum", ("pod",), rate(m.CPU_SECONDS, WINDOW, IT)), "{{pod}}"),
        ),
        graph(
            "Open files",
            "File descriptors, connections among them.",
            "none",
            Query(each("max", ("pod",), of(m.OPEN_FILES, IT)), "{{pod}}"),
        ),
        graph(
            "Uptime",
            "Since the process began.",
            "s",
            Query(f"time() - {each('max', ('pod',), of(m.START_TIME, IT))}", "{{pod}}"),
        ),
    ]
