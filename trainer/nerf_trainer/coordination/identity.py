"""Who this process is, from the environment that the operator and torchrun set."""

import os
import re
import time
from collections.abc import Mapping, MutableMapping

from nerf_contract import names
from nerf_trainer.coordination.messages import Identity, Incarnation, MemberId

#: Set by the agent of a pod for its processes, anew whenever it restarts them.
ENV_ROUND = "NERF_ROUND"
#: Set by torchrun.
ENV_LOCAL_RANK = "LOCAL_RANK"
ENV_LOCAL_WORLD_SIZE = "LOCAL_WORLD_SIZE"

_POD_ATTEMPT = re.compile(r"-(\d+)$")
_STARTED = time.time_ns()


def pod_index(env: Mapping[str, str]) -> int:
    """Index of this worker pod in its job."""
    return int(env.get(names.ENV_WORKER_INDEX, "0"))


def incarnation(env: Mapping[str, str]) -> Incarnation:
    """This life of the pod: its attempt ends the pod's name, its round comes from the agent.

    Without an agent of ours, the start of this process tells the rounds apart.
    """
    attempt = _POD_ATTEMPT.search(env.get(names.ENV_POD_NAME, ""))
    return Incarnation(
        attempt=int(attempt.group(1)) if attempt else 0,
        round=int(env.get(ENV_ROUND, _STARTED)),
    )


def begin_round(env: MutableMapping[str, str]) -> Incarnation:
    """Start a new life of this pod; processes started from now on inherit it."""
    env[ENV_ROUND] = str(time.time_ns())
    return incarnation(env)


def identity(env: Mapping[str, str] = os.environ, config: str = "") -> Identity:
    """This process as a member of its job. config: see `Identity`."""
    local_rank = int(env.get(ENV_LOCAL_RANK, "0"))
    return Identity(
        id=MemberId(pod_index(env), local_rank),
        incarnation=incarnation(env),
        local_world_size=int(env.get(ENV_LOCAL_WORLD_SIZE, "1")),
        writer=env.get(names.ENV_CHECKPOINT_WRITER) == "1" and local_rank == 0,
        config=config,
    )
