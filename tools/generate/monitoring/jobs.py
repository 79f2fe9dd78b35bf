"""What the dashboards of one job share: its choice, marks at each rescale, work of a process."""

from generate.monitoring.panels import Query, choice
from generate.monitoring.promql import JOB, PROCESS, counted, each, of, rate, summed
from nerf_contract import metrics as m

#: Grafana's: at least four scrapes.
WINDOW = "$__rate_interval"
IT = 'namespace="$namespace", job="$job"'
ONE_JOB = (
    choice("namespace", "Namespace", m.RESIDENT_MEMORY.name),
    choice("job", "Job", of(m.RESIDENT_MEMORY, 'namespace="$namespace"')),
)
MARKS = Query(each("max", JOB, of(m.REGROUP_TIMESTAMP, IT)), "The group changed")


def own_work() -> str:
    """Seconds that each process works on a step itself, without the all-reduce."""
    wait = each("sum", PROCESS, rate(m.PHASE_SECONDS, WINDOW, f'{IT}, phase="all_reduce"'))
    whole = each("sum", PROCESS, summed(m.STEP_SECONDS, WINDOW, IT))
    return f"({whole} - {wait}) / {each('sum', PROCESS, counted(m.STEP_SECONDS, WINDOW, IT))}"
