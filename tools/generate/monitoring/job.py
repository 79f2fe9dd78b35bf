"""The dashboard Job: how well one job trains, on what, and where its time went."""

from generate.monitoring import recorded
from generate.monitoring.alerts import LEAST_HEADROOM
from generate.monitoring.jobs import IT, MARKS, ONE_JOB, WINDOW
from generate.monitoring.panels import Limits, Query, board, graph, number
from generate.monitoring.promql import PROCESS, counted, each, of, quantile, summed
from nerf_contract import metrics as m

_NAME = "{{pod}} / {{local_rank}}"
_AGE = f"time() - max({of(m.CHECKPOINT_TIMESTAMP, IT)})"


def dashboard() -> str:
    """charts/nerf-operator/files/dashboards/job.json"""
    return board(
        "nerf-job",
        "NeRF / Job",
        "How well one NeRFJob trains, on what, and where its time went. Marks show when its group "
        "last changed.",
        ONE_JOB,
        {
            "Now": _now(),
            "Quality": _quality(),
            "Speed": _speed(),
            "Memory and GPUs": _memory(),
            "Checkpoints": _checkpoints(),
            "Rescales and lost time": _time(),
        },
        MARKS,
    )


def _now() -> list[object]:
    return [
        number("Step", "Steps that are done.", "none", Query(f"max({of(m.STEP, IT)})", "step")),
        number(
            "PSNR",
            "Of held-out photos, at the last evaluation; more is better.",
            "dB",
            Query(f"max({of(m.PSNR, IT)})", "PSNR"),
        ),
        number(
            "Rays per second",
            "Of all processes together, over two minutes.",
            "suffix: rays/s",
            Query(recorded.RAYS.where(IT), "rays/s"),
        ),
        number(
            "Processes",
            "Worker processes that train together.",
            "none",
            Query(recorded.WORLD_SIZE.where(IT), "processes"),
        ),
        number(
            "Goodput",
            "Rays trained, each once, by those that an undisturbed group of the wanted size would "
            "have trained since the job began.",
            "percentunit",
            Query(recorded.GOODPUT.where(IT), "goodput"),
            limits=Limits.at_least(0.7, 0.9),
        ),
        number(
            "Not saved",
            "Training that is not on the checkpoint volume yet: what the loss of all workers would "
            "cost.",
            "s",
            Query(recorded.UNSAVED.where(IT), "not saved"),
            limits=Limits.at_most(120, 450),
        ),
    ]


def _quality() -> list[object]:
    return [
        graph(
            "PSNR",
            "Of held-out photos, at each evaluation.",
            "dB",
            Query(f"max({of(m.PSNR, IT)})", "PSNR"),
            least=None,
            steps=True,
        ),
        graph(
            "Loss",
            "Mean squared error of the rays of a batch.",
            "none",
            Query(f"avg({of(m.LOSS, IT)})", "loss"),
        ),
        graph(
            "Occupied space",
            "Share of the occupancy grid that is not empty: the less, the faster a step.",
            "percentunit",
            Query(f"max({of(m.OCCUPANCY, IT)})", "occupied"),
            most=1,
        ),
        graph(
            "Skipped steps",
            "Steps that left the weights alone, as the loss or a gradient was not finite. A few "
            "in fp16 are harmless.",
            "none",
            Query(f"max({of(m.SKIPPED_STEPS, IT)})", "skipped"),
        ),
    ]


def _speed() -> list[object]:
    return [
        graph(
            "Rays per second",
            "Of all processes together, with all pauses.",
            "suffix: rays/s",
            Query(recorded.RAYS.where(IT), "rays/s"),
        ),
        graph(
            "Time of a step",
            "The whole step, with its all-reduce.",
            "s",
            Query(quantile(0.5, m.STEP_SECONDS, WINDOW, IT), "median"),
            Query(quantile(0.95, m.STEP_SECONDS, WINDOW, IT), "95 %"),
        ),
    ]


def _memory() -> list[object]:
    memory = each("max", (*PROCESS, "state"), of(m.GPU_MEMORY, IT))
    return [
        graph(
            "GPU memory, by process",
            "Allocated by tensors now, at the peak, reserved by torch, and in total. Tensors that "
            "need more than the total end the worker.",
            "bytes",
            Query(memory, f"{_NAME} {{{{state}}}}"),
        ),
        graph(
            "GPU utilization, by process",
            "Share of time in which the GPU was busy.",
            "percentunit",
            Query(each("max", PROCESS, of(m.GPU_UTILIZATION, IT)), _NAME),
            most=1,
        ),
        graph(
            "GPU memory never taken",
            "On the fullest GPU of the job, as a share of its total.",
            "percentunit",
            Query(recorded.HEADROOM.where(IT), "headroom"),
            limits=Limits.at_least(LEAST_HEADROOM, 0.15),
            most=1,
        ),
        graph(
            "Host memory, by process",
            "Resident memory of the worker processes.",
            "bytes",
            Query(each("max", PROCESS, of(m.RESIDENT_MEMORY, IT)), _NAME),
        ),
    ]


def _checkpoints() -> list[object]:
    saves = f"sum({summed(m.CHECKPOINT_SECONDS, WINDOW, IT)})"
    count = f"sum({counted(m.CHECKPOINT_SECONDS, WINDOW, IT)})"
    return [
        graph(
            "Age of the newest checkpoint",
            "And the training in it that is not saved, which is less where the job does not train.",
            "s",
            Query(_AGE, "age"),
            Query(recorded.UNSAVED.where(IT), "not saved"),
        ),
        graph(
            "Writing a checkpoint",
            "Mean time, in the background: training waits for none of it.",
            "s",
            Query(f"{saves} / {count}", "time"),
        ),
        graph(
            "Checkpoints that could not be written",
            "Since the writer's process began. The condition Running of the job says why.",
            "none",
            Query(f"sum({of(m.CHECKPOINT_FAILURES, IT)})", "failures"),
            limits=Limits.at_most(1, 1),
        ),
        graph(
            "Step, and step of the newest checkpoint",
            "What lies between would be trained again if all workers were lost.",
            "none",
            Query(f"max({of(m.STEP, IT)})", "step"),
            Query(f"max({of(m.CHECKPOINT_STEP, IT)})", "checkpoint"),
        ),
    ]


def _time() -> list[object]:
    lost = each("max", ("cause",), of(m.LOST_SECONDS, IT))
    wall, all_lost = f"max({of(m.WALL_SECONDS, IT)})", f"sum({lost})"
    pauses = each("max", ("pod",), f"increase({m.REGROUP_SECONDS.name}_sum{{{IT}}}[{WINDOW}])")
    return [
        graph(
            "Processes",
            "That train together.",
            "none",
            Query(recorded.WORLD_SIZE.where(IT), "processes"),
            steps=True,
        ),
        graph(
            "Pauses for changes of the group",
            "Time without training, by pod. A pod that joins counts its whole wait.",
            "s",
            Query(pauses, "{{pod}}"),
        ),
        graph(
            "Wall time by cause",
            "All time since the writer first started: useful training, and what was lost.",
            "s",
            Query(f"{wall} - {all_lost}", "training"),
            Query(lost, "{{cause}}"),
            stacked=True,
        ),
        graph(
            "Useful time",
            "Share of the last 30 minutes that was training, and goodput since the job began.",
            "percentunit",
            Query(recorded.USEFUL.where(IT), "last 30 minutes"),
            Query(recorded.GOODPUT.where(IT), "goodput"),
            limits=Limits.at_least(0.7, 0.9),
            most=1,
        ),
    ]
