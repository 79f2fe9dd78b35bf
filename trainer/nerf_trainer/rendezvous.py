"""Our rendezvous for torchrun, by which an agent supervises the processes of its own pod, no more.

Agents never meet: each is a group of one node, so that none restarts its processes because
another pod comes or goes. The processes themselves meet through the coordinator.
"""

import atexit
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from torch.distributed import HashStore
from torch.distributed.elastic.rendezvous.api import (
    RendezvousClosedError,
    RendezvousHandler,
    RendezvousInfo,
    RendezvousParameters,
    RendezvousStoreInfo,
)

from nerf_contract import names, reasons
from nerf_trainer.agent_end import skip_clean_up_at_end
from nerf_trainer.coordination.client import Client, UnreachableError
from nerf_trainer.coordination.identity import begin_round, incarnation, pod_index
from nerf_trainer.coordination.messages import Goodbye
from nerf_trainer.coordination.server import Server
from nerf_trainer.coordination.token import read_token
from nerf_trainer.coordinator import bind_host, create_server
from nerf_trainer.failures import clear_termination

log = logging.getLogger(__name__)

_GOODBYE_SECONDS = 0.5
#: Failures that only another pod may mend: its processes have the same token, image and config.
_OF_THE_POD = (reasons.GROUP_REFUSED,)


def create_handler() -> Callable[[RendezvousParameters], RendezvousHandler]:
    """The entry point: torchrun calls it bare, and keeps what it returns for our backend."""
    return PodRendezvous


class PodRendezvous(RendezvousHandler):
    """A rendezvous of one: this pod. Hosts the job's coordinator if the environment says so.

    Raises: OSError when the coordinator's address is taken; TokenError.
    """

    def __init__(self, params: RendezvousParameters) -> None:
        self._run_id: str = params.run_id
        self._rounds = 0
        self._closed = False
        self._token = read_token(os.environ)
        self._server = _host_coordinator(params.endpoint)
        _make_room_for_snapshots()
        os.register_at_fork(before=_import_for_processes)
        skip_clean_up_at_end()

    def get_backend(self) -> str:
        return names.RENDEZVOUS_BACKEND

    def get_run_id(self) -> str:
        return self._run_id

    def next_rendezvous(self) -> RendezvousInfo:
        """Begin a round of this pod's processes.

        Raises: RendezvousClosedError when the last round failed for a reason that stays here.
        """
        _refuse_if_hopeless()
        clear_termination()
        if self._rounds > 0:
            self._report_dead_processes()
        self._rounds += 1
        begin_round(os.environ)
        store = HashStore()
        info = RendezvousStoreInfo.build(0, store, local_addr=bind_host(os.environ))
        return RendezvousInfo(store, rank=0, world_size=1, bootstrap_store_info=info)

    def is_closed(self) -> bool:
        return self._closed

    def set_closed(self) -> None:
        self._closed = True

    def num_nodes_waiting(self) -> int:
        """Never any: other pods are none of this agent's business."""
        return 0

    def shutdown(self) -> bool:
        if self._server:
            self._server.stop()
        return True

    def _report_dead_processes(self) -> None:
        """Spare the others the wait for the heartbeats of processes that are known to be dead."""
        address = os.environ.get(names.ENV_COORDINATOR)
        if not address:
            return
        message = Goodbye(pod_index(os.environ), incarnation(os.environ), local_rank=None)
        with suppress(UnreachableError):
            Client(address, self._token).send(message, _GOODBYE_SECONDS)


def _host_coordinator(endpoint: str) -> Server | None:
    """Serve the coordinator from this agent, and let this pod's processes reach it directly: not
    every network lets a pod reach itself through a Service."""
    if os.environ.get(names.ENV_HOST_COORDINATOR) != "1":
        return None
    _log_to_stderr()
    server = create_server(os.environ, int(endpoint.rpartition(":")[2]))
    server.start()
    os.environ[names.ENV_COORDINATOR] = f"{server.host}:{server.port}"
    return server


def _make_room_for_snapshots() -> None:
    """A folder in memory by which this agent's processes, and no others, find each other's state.

    It goes with the agent: what is left there would be taken for the state of another training.
    """
    if names.ENV_SNAPSHOTS in os.environ:
        return
    try:
        folder = tempfile.mkdtemp(prefix="nerf-snapshots-", dir=names.SHARED_MEMORY)
    except OSError as error:
        log.warning("no snapshots in memory: %s", error)
        return
    os.environ[names.ENV_SNAPSHOTS] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _import_for_processes() -> None:
    """What each process of the pod would import by itself, and again after a crash."""
    import torch._dynamo  # torch's optimizers want it  # noqa: F401

    import nerf_trainer.app  # noqa: F401


def _log_to_stderr() -> None:
    """torchrun shows no other log than its own."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s coordinator: %(message)s"))
    logger = logging.getLogger("nerf_trainer.coordination")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def _refuse_if_hopeless() -> None:
    failure = reasons.FAILURES.get(_last_reason())
    if failure and (not failure.retryable or failure.reason in _OF_THE_POD):
        raise RendezvousClosedError(
            f"not starting again after {failure.reason}: {failure.meaning} "
            "Another try in this pod would end the same way."
        )


def _last_reason() -> str:
    """Reason in the termination message that a process of this pod has left, or ''."""
    path = Path(os.environ.get(names.ENV_TERMINATION_LOG, names.TERMINATION_LOG))
    try:
        message = json.loads(path.read_text())
    except (OSError, ValueError):
        return ""
    return str(message.get("reason", "")) if isinstance(message, dict) else ""
