"""Torch's process group of one generation: made, broken and destroyed within the process."""

import fcntl
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import NoReturn

import torch
import torch.distributed as dist

from nerf_trainer.coordination.messages import Placement
from nerf_trainer.elastic import collective
from nerf_trainer.elastic.activity import LENGTHY_SECONDS
from nerf_trainer.elastic.interface import PeerLost, peer_loss
from nerf_trainer.elastic.last_resort import end_process
from nerf_trainer.elastic.sockets import open_sockets, shut_down

log = logging.getLogger(__name__)

#: A member that vanishes while the group connects costs the others at most this long.
CONNECT_TIMEOUT = timedelta(seconds=10)
#: Where gloo waits to be connected to by a member that is frozen there is no socket to shut down,
#: and no time-out holds: so long after it should have given up the process ends, for its agent to
#: start another.
END_SECONDS = 5.0
#: Of a collective. Long, as ranks evaluate views of their own and the writer alone writes while the
#: others wait; deaths show as closed connections, and hung peers are noticed by the coordinator.
COLLECTIVE_TIMEOUT = timedelta(seconds=LENGTHY_SECONDS)
_POLL = timedelta(seconds=0.2)
_PROBE_SECONDS = 3.0
_SIOCGIFADDR = 0x8915


class ProcessGroup:
    """At most one group at a time, over gloo, or NCCL where each process has a GPU of its own.

    host: this pod's address, at which peers reach its store and its connections.
    """

    def __init__(self, device: torch.device, host: str) -> None:
        self._device = device
        self._host = host
        self._server: dist.TCPStore | None = None
        self._sockets: set[str] = set()
        self._before_connecting: set[str] | None = None
        self._over_nccl = False
        _bind_to_interface_of(host)

    def offer_store(self) -> str:
        """host:port of this process's store, for the case that it becomes rank 0."""
        if self._server is None:
            self._server = _serve_store(self._host)
        return f"{self._host}:{self._server.port}"

    def start(self, placement: Placement, give_up: Callable[[], bool]) -> None:
        """Form the group of `placement`; `torch.distributed` is initialised on return.

        give_up: asked while waiting for the others.
        Raises: PeerLost when a member does not come.
        """
        collective.begin()
        generation = placement.generation
        prefix = f"generation-{generation.number}-{generation.epoch}"
        with peer_loss(), self._connecting():
            store = dist.PrefixStore(prefix, _connect(placement))
            _wait_for_all(store, placement.world_size, give_up)
            with _watchdog(self.abort):
                self._init(store, placement)

    def abort(self) -> None:
        """Make the collectives that are under way, or the connecting, fail.

        Called from another thread.
        """
        before = self._before_connecting
        shut_down(self._sockets if before is None else open_sockets().keys() - before)
        collective.break_off()
        if self._over_nccl:
            _abort_nccl()

    def stop(self) -> None:
        """End the group. Connections end even if someone still refers to it (DDP does)."""
        if not dist.is_initialized():
            return
        if self._over_nccl:
            self.abort()
        shut_down(self._sockets)
        self._sockets = set()
        collective.retire_group()

    @contextmanager
    def _connecting(self) -> Iterator[None]:
        """Tells the sockets of the new group from those that the process had."""
        before = self._before_connecting = set(open_sockets())
        try:
            yield
        finally:
            self._sockets = open_sockets().keys() - before
            self._before_connecting = None

    def _init(self, store: dist.Store, placement: Placement) -> None:
        self._over_nccl = self._device.type == "cuda" and not _share_gpu(
            store, placement, self._device
        )
        if self._over_nccl:
            # By itself NCCL's watchdog ends the process of who has lost a peer.
            os.environ["TORCH_NCCL_ASYNC_ERROR_HANDLING"] = "0"
        # Torch counts groups, those that did not form too, and names the store's keys by the count:
        # with a newcomer, who has another one, no group would ever form again.
        dist.distributed_c10d._world.group_count = 0
        dist.init_process_group(
            backend="cpu:gloo,cuda:nccl" if self._over_nccl else "gloo",
            store=store,
            rank=placement.rank,
            world_size=placement.world_size,
            timeout=COLLECTIVE_TIMEOUT,
        )


def _abort_nccl() -> None:
    """End NCCL's collectives, and leave the group's names to `destroy_process_group`: torch's own
    `_abort_process_group` removes them, in part or all, and then the group cannot be destroyed."""
    world = dist.group.WORLD
    if world is not None:  # It is still connecting, or another thread has ended it.
        with suppress(RuntimeError):
            world._get_backend(torch.device("cuda")).abort()


def _serve_store(host: str) -> dist.TCPStore:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.bind((host, 0))
        listener.listen(128)
        return dist.TCPStore(
            host,
            listener.getsockname()[1],
            is_master=True,
            wait_for_workers=False,
            timeout=CONNECT_TIMEOUT,
            master_listen_fd=listener.detach(),
            use_libuv=False,
        )


def _connect(placement: Placement) -> dist.Store:
    """A connection of its own for each generation, rank 0's too: shut down, it ends the waiting."""
    host, _, port = placement.store.rpartition(":")
    _check_listening(host, int(port))
    return dist.TCPStore(host, int(port), is_master=False, timeout=CONNECT_TIMEOUT, use_libuv=False)


@contextmanager
def _watchdog(abort: Callable[[], None]) -> Iterator[None]:
    """Gloo has one time-out for connecting and for collectives: the shorter one is kept here."""
    seconds = CONNECT_TIMEOUT.total_seconds()
    timers = [
        threading.Timer(seconds, abort),
        threading.Timer(seconds + END_SECONDS, _give_up),
    ]
    for timer in timers:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
            timer.join()  # It may have begun, and must not meet the next group.


def _give_up() -> NoReturn:
    end_process("the group neither forms nor gives up")


def _check_listening(host: str, port: int) -> None:
    """Torch tries for long to reach a store whose process has died; one try tells as much."""
    try:
        socket.create_connection((host, port), _PROBE_SECONDS).close()
    except OSError as error:
        raise PeerLost(f"rank 0's store at {host}:{port}: {error}") from error


def _wait_for_all(store: dist.Store, world_size: int, give_up: Callable[[], bool]) -> None:
    """A barrier that ends early when `give_up`, unlike those that torch has."""
    if store.add("arrived", 1) == world_size:
        store.set("complete", b"1")
    deadline = time.monotonic() + CONNECT_TIMEOUT.total_seconds()
    while time.monotonic() < deadline and not give_up():
        with suppress(dist.DistStoreError):
            store.wait(["complete"], _POLL)
            return
    raise PeerLost("a member of the new generation did not come")


def _share_gpu(store: dist.Store, placement: Placement, device: torch.device) -> bool:
    """Whether two of the group have one GPU, as time-slicing gives it: NCCL refuses that."""
    ranks = range(placement.world_size)
    store.set(f"gpu-{placement.rank}", str(torch.cuda.get_device_properties(device).uuid))
    gpus = [store.get(f"gpu-{rank}") for rank in ranks]
    shared = len(set(gpus)) < len(gpus)
    if shared:
        log.warning("processes share a GPU: gloo adds up their gradients, which is slower")
    return shared


def _bind_to_interface_of(host: str) -> None:
    """Make gloo and NCCL use the interface that has `host`: by themselves they look up the host
    name, which may lead to another address, or to none."""
    for _, interface in socket.if_nameindex():
        if _ipv4_of(interface) == host:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)
            os.environ.setdefault("NCCL_SOCKET_IFNAME", interface)


def _ipv4_of(interface: str) -> str | None:
    request = struct.pack("256s", interface.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)
        return socket.inet_ntoa(answer[20:24])
    return None
