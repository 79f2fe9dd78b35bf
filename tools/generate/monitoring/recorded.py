"""Series that Prometheus records: what is true of a job, whichever pods it has.

Each is made from what is scraped, never from another one, so that a gap is filled by one pass of
`promtool tsdb create-blocks-from rules`. Names are `level:what:how`; the level is a job, told by
the labels namespace and job.
"""

from dataclasses import dataclass

from generate.monitoring.promql import JOB, counted, each, of, rate, summed
from nerf_contract import metrics as m

#: Long enough for two samples of a scrape each 30 s, with one of them lost.
RATE = "2m"


@dataclass(frozen=True)
class Recorded:
    """A recording rule. labels: of its series. help: what it tells, in a sentence."""

    name: str
    expression: str
    help: str
    labels: tuple[str, ...] = JOB

    def where(self, matchers: str) -> str:
        """Its series that match."""
        return f"{self.name}{{{matchers}}}"


def _grows(metric: m.Metric, labels: tuple[str, ...]) -> str:
    """Increase in half an hour of what the writer counts for its job, whichever pod it is in."""
    return f"increase(({each('max', labels, metric.name)})[30m:1m])"


RAYS = Recorded(
    "nerf_job:rays:rate2m",
    each("sum", JOB, rate(m.RAYS, RATE)),
    "Rays per second of all processes of a job.",
)
STEPS = Recorded(
    "nerf_job:steps:rate5m",
    each("max", JOB, counted(m.STEP_SECONDS, "5m")),
    "Steps per second of a job.",
)
PROCESSES = Recorded(
    "nerf_job:processes:count",
    each("count", JOB, m.RESIDENT_MEMORY.name),
    "Worker processes of a job that answer, whether they train or not.",
)
#: As the newest generation has it: one that has left it, or hangs, still tells of an old one.
_HIGHEST = each("max", JOB, m.GENERATION.name)
_NEWEST = f"{m.GENERATION.name} == on (namespace, job) group_left () {_HIGHEST}"
_TOGETHER = each("max", JOB, f"{m.WORLD_SIZE.name} and ({_NEWEST})")
WORLD_SIZE = Recorded("nerf_job:world_size:max", _TOGETHER, "Processes that train a job together.")
_SIZE = f'count_values by (namespace, job) ("world_size", {_TOGETHER})'
EFFICIENCY = Recorded(
    "nerf_job:scaling_efficiency:ratio",
    each(
        "max",
        JOB,
        f"{m.SCALING_EFFICIENCY.name} * on (namespace, job, world_size) group_left () {_SIZE}",
    ),
    "Scaling efficiency of the group as it is now; absent until the job has trained with one "
    "process.",
)
GOODPUT = Recorded(
    "nerf_job:goodput:ratio",
    each("max", JOB, m.GOODPUT.name),
    "Goodput of a job since its writer first started.",
)
USEFUL = Recorded(
    "nerf_job:useful_time:ratio30m",
    f"1 - {each('sum', JOB, _grows(m.LOST_SECONDS, (*JOB, 'cause')))}"
    f" / {_grows(m.WALL_SECONDS, JOB)}",
    "Share of a job's last 30 minutes that was useful training.",
)
UNSAVED = Recorded(
    "nerf_job:unsaved:seconds",
    f"clamp_min({each('max', JOB, m.STEP.name)}"
    f" - {each('max', JOB, f'max_over_time({m.CHECKPOINT_STEP.name}[1h])')}, 0)"
    f" * {each('sum', JOB, summed(m.STEP_SECONDS, '5m'))}"
    f" / {each('sum', JOB, counted(m.STEP_SECONDS, '5m'))}",
    "Training that is not on the checkpoint volume yet, in seconds of it.",
)
_PEAK, _TOTAL = (of(m.GPU_MEMORY, f'state="{state}"') for state in ("peak", "total"))
HEADROOM = Recorded(
    "nerf_job:gpu_memory_headroom:ratio",
    f"1 - {each('max', JOB, f'{_PEAK} / ignoring (state) {_TOTAL}')}",
    "Share of GPU memory that tensors never took, on the GPU of the job where it is least.",
)


def _renamed(expression: str, label: str, source: str) -> str:
    return f'label_replace({expression}, "{label}", "$1", "{source}", "(.+)")'


PENDING = Recorded(
    "nerf_job:pending:seconds",
    each(
        "max",
        (*JOB, "reason"),
        _renamed(_renamed(m.JOB_PENDING.name, "namespace", "job_namespace"), "job", "job_name"),
    ),
    "How long a job has been pending, and why.",
    (*JOB, "reason"),
)

#: Made from what GPUs tell, which a cluster without them lacks.
OF_GPUS = (HEADROOM,)
ALL = (
    *(RAYS, STEPS, PROCESSES, WORLD_SIZE, EFFICIENCY, GOODPUT, USEFUL, UNSAVED, PENDING),
    *OF_GPUS,
)
