"""Where the wall time of a job goes: every second of it is useful training, or has one cause here.

Goodput is the share of the rays that an undisturbed group of the wanted size would have trained in
that wall time; rays of a step that is done again count once.
"""

from typing import Final

#: Useful training; every other second is lost.
TRAINING: Final = "training"

# --- Known to the operator, from the pod of worker 0 ----------------------------------------------

QUEUE: Final = "queue"
IMAGE: Final = "image"

# --- Known to the trainer -------------------------------------------------------------------------

START: Final = "start"
COMPILE: Final = "compile"
RENDEZVOUS: Final = "rendezvous"
RESCALE: Final = "rescale"
RESTART: Final = "restart"
REPLAY: Final = "replay"
FEWER_WORKERS: Final = "fewer_workers"
CHECKPOINT: Final = "checkpoint"
EVALUATION: Final = "evaluation"
IDLE: Final = "idle"

#: cause -> what it means.
OPERATOR_CAUSES: Final = {
    QUEUE: "until the pod of worker 0 had a node",
    IMAGE: "until its container ran: volumes and image",
}
TRAINER_CAUSES: Final = {
    START: "until the scene was read",
    COMPILE: "until the step was compiled",
    RENDEZVOUS: "waiting for a place in a group",
    RESCALE: "other time between the last step in a group and the first in the next",
    RESTART: "from the last word of a process to the start of the one in its place",
    REPLAY: "steps done again",
    FEWER_WORKERS: "the share of speed missing in groups smaller than wanted",
    CHECKPOINT: "steps waiting for copies of the state",
    EVALUATION: "judging held-out views",
    IDLE: "waiting for others at the end",
}


def explain(causes: dict[str, str]) -> str:
    """The causes with their meanings, for a help text."""
    return "; ".join(f"{cause} ({meaning})" for cause, meaning in causes.items())
