"""What ranks tell each other; a fake network of one process takes it from one and gives it another.

Real groups are in test_regrouping.py.
"""

from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from scene_files import blender_scene  # noqa: E402
from small_trainings import create, same, train  # noqa: E402

from nerf_trainer import collectives  # noqa: E402
from nerf_trainer.elastic.interface import Generation  # noqa: E402
from nerf_trainer.trainer import Trainer  # noqa: E402

pytestmark = pytest.mark.torch

WORK = SimpleNamespace(wait=lambda *_: True)


class Network:
    """Rank 0 is the source. most: what another rank has halved its chunks by."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._sent: torch.Tensor | None = None

    def share(self, source: Trainer, other: Trainer) -> None:
        """What happens on both ranks, one after the other."""
        for rank, trainer in enumerate((source, other)):
            collectives.share_state(trainer.state, Generation(1, rank, 2, source=0, writer=0))

    def broadcast(self, message: torch.Tensor, source: int, async_op: bool) -> object:
        assert (message.dtype, source, async_op) == (torch.uint8, 0, True)
        if self._sent is None:
            self._sent = message.clone()
        message.copy_(self._sent)
        return WORK

    def all_reduce(self, tensor: torch.Tensor, op: object, async_op: bool) -> object:
        assert (op, async_op) == (torch.distributed.ReduceOp.MAX, True)
        tensor.clamp_(min=self._most)
        return WORK


@pytest.fixture
def ball(tmp_path: Path) -> Path:
    return blender_scene(tmp_path, train=4)


def network(monkeypatch: pytest.MonkeyPatch, most: int = 0) -> Network:
    found = Network(most)
    monkeypatch.setattr(collectives.dist, "broadcast", found.broadcast)
    monkeypatch.setattr(collectives.dist, "all_reduce", found.all_reduce)
    monkeypatch.setattr(collectives, "complete", lambda work: work.wait())
    return found


@pytest.mark.parametrize("kind", ["occupancy", "hierarchical", "proposal"])
def test_a_newcomer_has_the_state_of_the_source(
    ball: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    source, newcomer = create(ball, kind), create(ball, kind)
    train(source, 3)
    before = {name: tensor.clone() for name, tensor in source.state.tensors().items()}
    assert not same(source, newcomer)
    network(monkeypatch).share(source, newcomer)
    assert same(source, newcomer)
    assert all(torch.equal(before[name], now) for name, now in source.state.tensors().items())
    train(source, 2)
    train(newcomer, 2)
    assert same(source, newcomer)


@pytest.mark.parametrize(("own", "other", "most"), [(0, 0, 2), (3, 0, 3)])
def test_chunks_fit_everywhere(
    ball: Path, monkeypatch: pytest.MonkeyPatch, own: int, other: int, most: int
) -> None:
    source, newcomer = create(ball, "hierarchical"), create(ball, "hierarchical")
    source.state.halvings, newcomer.state.halvings = own, other
    network(monkeypatch, most).share(source, newcomer)
    assert source.state.halvings == newcomer.state.halvings == most
