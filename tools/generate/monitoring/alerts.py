"""Alerts: what a person should look at, and what may get lost where nobody does."""

from dataclasses import dataclass

from generate.monitoring import recorded
from generate.monitoring.promql import JOB, POD, counted, each
from nerf_contract import metrics as m

RUNBOOKS = "https://nerfops.dev/docs/runbooks"
#: Below these, something is wrong: see the pages of the alerts.
LEAST_EFFICIENCY, LEAST_USEFUL, LEAST_HEADROOM = 0.5, 0.7, 0.05
#: The operator asks for its own restart when a watch was silent for 180 s.
STALE_SECONDS = 240
LATE_SECONDS = 5


@dataclass(frozen=True)
class Alert:
    """An alerting rule. hold: how long the expression is true before it fires.

    severity: critical where training stands or may be lost, warning where it costs more than it
    should. cause: tells rules of one name apart, which come to the same runbook.
    """

    name: str
    expression: str
    hold: str
    severity: str
    summary: str
    description: str
    cause: str = ""

    @property
    def labels(self) -> dict[str, str]:
        """Those that it adds to the labels of what it is about."""
        return {"severity": self.severity} | ({"cause": self.cause} if self.cause else {})

    @property
    def runbook(self) -> str:
        """Address of the page that says what to do."""
        return f"{RUNBOOKS}/{self.name}/"


_JOB = "{{ $labels.namespace }}/{{ $labels.job }}"
_POD = "{{ $labels.namespace }}/{{ $labels.pod }}"
_SAME_JOB = "on (namespace, job)"
_TRAINS = f"{recorded.STEPS.name} > 0"
_PERCENT = "{{ $value | humanizePercentage }}"
_TIME = "{{ $value | humanizeDuration }}"
_INTERVAL = each("max", JOB, m.CHECKPOINT_INTERVAL.name)

OF_JOBS = (
    Alert(
        "NeRFJobStalled",
        f"{recorded.PROCESSES.name} unless {_SAME_JOB} ({_TRAINS})",
        hold="15m",
        severity="critical",
        summary=f"{_JOB} does not train.",
        description="{{ $value }} of its processes answer, and have done no step for 15 minutes.",
    ),
    Alert(
        "NeRFJobGoodputLow",
        f"{recorded.USEFUL.name} < {LEAST_USEFUL}"
        f" and {_SAME_JOB} {each('max', JOB, m.WALL_SECONDS.name)} > 3600",
        hold="15m",
        severity="warning",
        summary=f"{_JOB} loses much of its time.",
        description=f"Only {_PERCENT} of its last 30 minutes were useful training. "
        "nerf_trainer_lost_seconds_total tells the causes.",
    ),
    Alert(
        "NeRFJobEfficiencyLow",
        f"{recorded.EFFICIENCY.name} < {LEAST_EFFICIENCY}",
        hold="15m",
        severity="warning",
        summary=f"{_JOB} makes poor use of its workers.",
        description=f"A process does {_PERCENT} of what it would do alone. Fewer workers would "
        "train nearly as fast.",
    ),
    Alert(
        "NeRFJobCheckpointOld",
        f"{recorded.UNSAVED.name} > 5 * {_INTERVAL} + 300",
        hold="2m",
        severity="critical",
        summary=f"The newest checkpoint of {_JOB} is old.",
        description=f"{_TIME} of training would be lost with its workers.",
        cause="unsaved",
    ),
    Alert(
        "NeRFJobCheckpointOld",
        f"{_TRAINS} unless {_SAME_JOB} {_INTERVAL}",
        hold="10m",
        severity="critical",
        summary=f"Nobody writes checkpoints of {_JOB}.",
        description="It trains at {{ $value | humanize }} steps/s without worker 0, which has the "
        "checkpoint volume.",
        cause="no_writer",
    ),
    Alert(
        "NeRFJobCheckpointFailing",
        f"{each('sum', JOB, f'increase({m.CHECKPOINT_FAILURES.name}[10m])')} > 0",
        hold="1m",
        severity="critical",
        summary=f"Checkpoints of {_JOB} cannot be written.",
        description="The training goes on, and the last good checkpoint stays. The condition "
        "Running of the job says why.",
    ),
    Alert(
        "NeRFJobGPUMemoryNearFull",
        f"{recorded.HEADROOM.name} < {LEAST_HEADROOM}",
        hold="5m",
        severity="warning",
        summary=f"GPU memory of {_JOB} is nearly full.",
        description=f"Of the fullest GPU {_PERCENT} were never taken by tensors.",
    ),
    Alert(
        "NeRFJobPendingTooLong",
        f"{recorded.PENDING.name} > 1800",
        hold="1m",
        severity="warning",
        summary=f"{_JOB} does not start.",
        description=f"It has been pending for {_TIME}: {{{{ $labels.reason }}}}.",
    ),
)

OF_OPERATOR = (
    Alert(
        "NeRFOperatorWedged",
        f"absent({m.LEADER.name} == 1)",
        hold="5m",
        severity="critical",
        summary="No operator works.",
        description="No operator that is scraped holds the Lease. Jobs train on, and nobody mends "
        "or starts any.",
        cause="absent",
    ),
    Alert(
        "NeRFOperatorWedged",
        f"min_over_time({m.QUEUE_DEPTH.name}[5m]) > 0 unless on (namespace, pod)"
        f" {each('sum', ('namespace', 'pod'), counted(m.RECONCILE_SECONDS, '5m'))} > 0",
        hold="1m",
        severity="critical",
        summary=f"The operator {_POD} does nothing.",
        description="{{ $value }} jobs wait, and no pass over one has ended for 5 minutes.",
        cause="idle",
    ),
    Alert(
        "NeRFOperatorWedged",
        f"min_over_time({m.LOOP_LAG.name}[2m]) > {LATE_SECONDS}",
        hold="1m",
        severity="critical",
        summary=f"The operator {_POD} is stuck.",
        description=f"Its event loop has been late for two minutes, by {_TIME} at the least.",
        cause="late",
    ),
    Alert(
        "NeRFOperatorWatchStale",
        f"{each('max', (*POD, 'kind'), m.WATCH_AGE.name)} > {STALE_SECONDS}"
        f" and on (namespace, pod) {m.LEADER.name} == 1",
        hold="1m",
        severity="critical",
        summary=f"The operator {_POD} may be blind.",
        description=f"Its watch of {{{{ $labels.kind }}}} has told nothing for {_TIME}.",
    ),
)
ALL = (*OF_JOBS, *OF_OPERATOR)
