"""Groups of one process, and what counts as a lost peer."""

import ctypes
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple, cast
from unittest.mock import patch

import pytest

pytest.importorskip("torch")

import torch
import torch.distributed as dist
from pods import wait_until

from nerf_trainer.coordination.messages import GenerationId, Placement
from nerf_trainer.elastic import collective, create_membership, process_group
from nerf_trainer.elastic.collective import complete
from nerf_trainer.elastic.interface import Generation, PeerLost, peer_loss
from nerf_trainer.elastic.process_group import ProcessGroup
from nerf_trainer.elastic.sockets import open_sockets, shut_down
from nerf_trainer.train import leave

pytestmark = pytest.mark.torch

HOST = "127.0.0.1"
FIRST, SECOND = GenerationId(1, 1), GenerationId(2, 1)
CPU = torch.device("cpu")
SHORT = timedelta(seconds=3)
BIG = 1 << 24


@pytest.fixture(scope="module", autouse=True)
def groups_that_are_never_destroyed() -> Iterator[None]:
    """The end of Python would, and can deadlock as `collective.retire_group` tells."""
    yield
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(collective._retired))


def test_without_a_coordinator_a_single_process_is_a_world_of_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NERF_COORDINATOR", "RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    membership = create_membership(CPU)
    assert membership.join(0) == Generation(1, 0, 1, 0, 0)
    value = torch.ones(2)
    dist.all_reduce(value)
    assert value.tolist() == [1, 1]
    assert (membership.is_writer, membership.changing()) == (True, False)
    membership.close()
    assert not dist.is_initialized()


def test_without_a_coordinator_there_is_no_second_generation() -> None:
    membership = create_membership(CPU)
    membership.join(0)
    membership.leave()
    with pytest.raises(RuntimeError, match="start anew"):
        membership.join(1)


def test_groups_follow_each_other_over_one_store() -> None:
    group = ProcessGroup(CPU, HOST)
    store = group.offer_store()
    for number in (1, 2, 3):
        group.start(Placement(GenerationId(number, 1), 0, 1, 0, 0, store), give_up=lambda: False)
        dist.barrier()
        group.stop()
    assert store == group.offer_store()


def test_a_member_that_does_not_come_is_a_lost_peer() -> None:
    group = ProcessGroup(CPU, HOST)
    with pytest.raises(PeerLost, match="did not come"):
        group.start(Placement(FIRST, 0, 2, 0, 0, group.offer_store()), give_up=lambda: True)
    assert not dist.is_initialized()


def test_a_store_that_is_gone_is_a_lost_peer() -> None:
    with socket.socket() as closed:
        closed.bind((HOST, 0))
        address = f"{HOST}:{closed.getsockname()[1]}"
    group = ProcessGroup(CPU, HOST)
    with pytest.raises(PeerLost, match="store"):
        group.start(Placement(FIRST, 1, 2, 0, 0, address), give_up=lambda: False)


def _arrive(store: str, world_size: int) -> None:
    """What one more member does before it vanishes."""
    host, _, port = store.rpartition(":")
    client = dist.TCPStore(host, int(port), is_master=False, use_libuv=False)
    assert dist.PrefixStore("generation-1-1", client).add("arrived", 1) < world_size


def test_a_member_that_vanishes_while_the_group_connects_is_given_up_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process_group, "CONNECT_TIMEOUT", SHORT)
    group = ProcessGroup(CPU, HOST)
    store = group.offer_store()
    _arrive(store, 2)
    began = time.monotonic()
    with pytest.raises(PeerLost):
        group.start(Placement(FIRST, 0, 2, 0, 0, store), give_up=lambda: False)
    assert time.monotonic() - began < process_group.COLLECTIVE_TIMEOUT.total_seconds() / 2
    assert not dist.is_initialized()


def test_connecting_ends_when_another_thread_aborts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_group, "CONNECT_TIMEOUT", timedelta(minutes=10))
    group = ProcessGroup(CPU, HOST)
    store = group.offer_store()
    _arrive(store, 2)
    ended = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_abort_until, ended, group)
        with pytest.raises(PeerLost):
            group.start(Placement(FIRST, 0, 2, 0, 0, store), give_up=lambda: False)
        ended.set()


def _abort_until(ended: threading.Event, group: ProcessGroup) -> None:
    while not ended.wait(0.05):
        group.abort()


class Peer(NamedTuple):
    """A fresh process that is rank 1 of the second generation, and this one's group.

    come: lets it start; sum: lets it into its collective.
    """

    group: ProcessGroup
    come: Event
    sum: Event


def _be_peer(store: str, ready: Event, come: Event, add: Event) -> None:
    process_group.CONNECT_TIMEOUT = SHORT
    group = ProcessGroup(CPU, HOST)
    ready.set()
    come.wait()
    group.start(Placement(SECOND, 1, 2, 0, 0, store), give_up=lambda: False)
    add.wait()
    dist.all_reduce(torch.ones(1))
    leave(0)


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    monkeypatch.setattr(process_group, "CONNECT_TIMEOUT", SHORT)
    group = ProcessGroup(CPU, HOST)
    spawn = get_context("spawn")
    ready, *steps = (spawn.Event() for _ in range(3))
    process = spawn.Process(target=_be_peer, args=(group.offer_store(), ready, *steps), daemon=True)
    process.start()
    assert ready.wait(60)
    yield Peer(group, *steps)
    group.stop()
    process.join(30)
    assert process.exitcode == 0


def _sum_up(peer: Peer) -> float:
    peer.come.set()
    store = peer.group.offer_store()
    peer.group.start(Placement(SECOND, 0, 2, 0, 0, store), give_up=lambda: False)
    value = torch.ones(1)
    dist.all_reduce(value)
    return value.item()


def test_a_collective_waits_longer_than_connecting_may_take(peer: Peer) -> None:
    threading.Timer(2 * SHORT.total_seconds(), peer.sum.set).start()
    assert _sum_up(peer) == 2


def test_after_a_group_that_did_not_form_one_with_a_newcomer_does(peer: Peer) -> None:
    peer.sum.set()
    store = peer.group.offer_store()
    _arrive(store, 2)
    threading.Timer(0.2, peer.group.abort).start()
    with pytest.raises(PeerLost):
        peer.group.start(Placement(FIRST, 0, 2, 0, 0, store), give_up=lambda: False)
    assert _sum_up(peer) == 2


def _freeze_as_it_receives(store: str) -> None:
    ProcessGroup(CPU, HOST).start(Placement(FIRST, 1, 2, 0, 0, store), give_up=lambda: False)
    dist.broadcast(torch.zeros(BIG), 0, async_op=True)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGSTOP)).start()  # Gloo has asked for it.
    threading.Event().wait()


def test_who_sends_to_a_dead_peer_can_be_told() -> None:
    """Gloo does not tell it where the peer died in mid-message."""
    group = ProcessGroup(CPU, HOST)
    spawn = get_context("spawn")
    peer = spawn.Process(target=_freeze_as_it_receives, args=(group.offer_store(),), daemon=True)
    peer.start()
    group.start(Placement(FIRST, 0, 2, 0, 0, group.offer_store()), give_up=lambda: False)
    wait_until(lambda: _state_of(peer) == "T", "the peer freezes")
    sent = dist.broadcast(torch.ones(BIG), 0, async_op=True)
    with ThreadPoolExecutor(1) as pool, pytest.raises(PeerLost), peer_loss():
        pool.submit(_kill_and_abort, peer, group)
        complete(sent)
    group.stop()
    assert not dist.is_initialized()
    _form_alone(group)


def _hang_while_connecting() -> None:
    process_group.CONNECT_TIMEOUT = timedelta(seconds=0.2)
    process_group.END_SECONDS = 0.3
    with patch.object(dist, "init_process_group", lambda **_: threading.Event().wait()):
        _start_alone(ProcessGroup(CPU, HOST))


def test_who_cannot_be_made_to_give_up_connecting_ends() -> None:
    process = get_context("spawn").Process(target=_hang_while_connecting, daemon=True)
    process.start()
    process.join(60)
    assert process.exitcode == 1


class Late:
    """A collective whose time-out is told just as it ends."""

    def __init__(self, error: RuntimeError | None = None) -> None:
        self.waits, self.error = 0, error

    def wait(self, timeout: timedelta | None = None) -> bool:
        self.waits += 1
        if timeout is not None:
            raise RuntimeError("Operation timed out!")
        if self.error:
            raise self.error
        return True

    def is_completed(self) -> bool:
        return True


def test_who_is_done_as_the_waiting_ends_is_done() -> None:
    group = ProcessGroup(CPU, HOST)
    _start_alone(group)
    complete(cast(dist.Work, Late()))
    with pytest.raises(RuntimeError, match="its own"):
        complete(cast(dist.Work, Late(RuntimeError("its own"))))
    group.stop()


class FakeNccl:
    """NCCL's backend, of a group that is gloo's: no GPU is at hand here."""

    def __init__(self) -> None:
        self.aborted = 0

    def abort(self) -> None:
        self.aborted += 1


@pytest.fixture
def nccl(monkeypatch: pytest.MonkeyPatch) -> FakeNccl:
    fake = FakeNccl()
    monkeypatch.setattr(dist.ProcessGroup, "_get_backend", lambda *_: fake)
    monkeypatch.setattr(dist.distributed_c10d, "ProcessGroupNCCL", FakeNccl, raising=False)
    return fake


def test_a_group_over_nccl_is_aborted_and_can_be_followed(nccl: FakeNccl) -> None:
    group = ProcessGroup(CPU, HOST)
    for _ in range(2):
        _start_alone(group)
        group._over_nccl = True
        group.abort()
        group.stop()
        assert not dist.is_initialized()
    group.abort()
    assert nccl.aborted == 4, "there is none to be aborted in the end"


def test_nccl_does_not_end_who_has_lost_a_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "3")
    monkeypatch.setattr(process_group, "_share_gpu", lambda *_: False)
    monkeypatch.setattr(dist, "init_process_group", lambda **given: told.append(given["backend"]))
    group = ProcessGroup(torch.device("cuda"), HOST)
    group._init(dist.HashStore(), Placement(SECOND, 0, 1, 0, 0, ""))
    assert told == ["cpu:gloo,cuda:nccl"]
    assert os.environ["TORCH_NCCL_ASYNC_ERROR_HANDLING"] == "0"


class Launched:
    """A collective of NCCL: only the GPU waits for it."""

    def wait(self) -> bool:
        return True


def _complete_on_gpu(monkeypatch: pytest.MonkeyPatch, synchronize: Callable[[], None]) -> None:
    """Wait for a collective on a GPU that is a fake: it is done once `synchronize` returns."""
    monkeypatch.setattr(dist, "get_backend", lambda: "nccl")
    stream = SimpleNamespace(synchronize=synchronize)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    collective.begin()
    complete(cast(dist.Work, Launched()))


def test_what_was_aborted_as_the_gpu_summed_is_not_taken_for_a_sum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _complete_on_gpu(monkeypatch, lambda: None)
    with pytest.raises(PeerLost, match="aborted"):
        _complete_on_gpu(monkeypatch, ProcessGroup(CPU, HOST).abort)


@pytest.mark.parametrize("broken", [True, False])
def test_only_errors_of_a_broken_group_are_lost_peers(
    broken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        if broken:
            ProcessGroup(CPU, HOST).abort()
        raise RuntimeError("CUDA error: launch failed")

    with pytest.raises(PeerLost if broken else RuntimeError, match="launch failed"):
        _complete_on_gpu(monkeypatch, fail)


def _state_of(process: BaseProcess) -> str:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]


def _kill_and_abort(peer: BaseProcess, group: ProcessGroup) -> None:
    peer.kill()
    peer.join(30)
    group.abort()


def _start_alone(group: ProcessGroup) -> None:
    group.start(Placement(SECOND, 0, 1, 0, 0, group.offer_store()), give_up=lambda: False)


def _form_alone(group: ProcessGroup) -> None:
    """What gloo has not finished is in nobody's way."""
    _start_alone(group)
    complete(dist.all_reduce(torch.ones(1), async_op=True))
    group.stop()


def test_gloo_is_bound_to_the_interface_of_the_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    ProcessGroup(CPU, HOST)
    assert os.environ["GLOO_SOCKET_IFNAME"] == "lo"


@pytest.mark.parametrize(
    "text",
    [
        "[./gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:1234",
        "[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Read error [::1]:1: Connection reset",
        "[./gloo/transport/tcp/unbound_buffer.cc:81] Timed out waiting 1000ms for recv operation",
        "Gloo connectFullMesh failed with [./gloo/transport/tcp/pair.cc:144] no error",
    ],
)
def test_errors_of_connections_are_lost_peers(text: str) -> None:
    with pytest.raises(PeerLost, match="gloo"), peer_loss():
        raise RuntimeError(text)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail at ./gloo/transport/tcp/pair.cc:446] 16 vs 8"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"),
        ValueError("[./gloo/transport/tcp/pair.cc:553] Connection closed by peer"),
    ],
)
def test_other_errors_pass_unchanged(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, peer_loss():
        raise error
    assert caught.value is error


def test_shutting_down_ends_connections_but_not_listeners() -> None:
    before = open_sockets().keys()
    with socket.create_server((HOST, 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        peer, _ = listener.accept()
        shut_down(open_sockets().keys() - before)
        assert (client.recv(1), peer.recv(1)) == (b"", b"")
        socket.create_connection(listener.getsockname(), timeout=5).close()
        client.close()
        peer.close()
