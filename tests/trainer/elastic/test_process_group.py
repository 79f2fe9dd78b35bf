"""Groups of one process, and what counts as a lost peer."""

import os
import socket

import pytest

pytest.importorskip("torch")

import torch
import torch.distributed as dist

from nerf_trainer.coordination.messages import GenerationId, Placement
from nerf_trainer.elastic import create_membership
from nerf_trainer.elastic.interface import Generation, PeerLost, peer_loss
from nerf_trainer.elastic.process_group import ProcessGroup
from nerf_trainer.elastic.sockets import open_sockets, shut_down

pytestmark = pytest.mark.torch

HOST = "127.0.0.1"
FIRST = GenerationId(1, 1)
CPU = torch.device("cpu")


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
