"""Every way to sample: it learns, resumes bit by bit, and bounds its memory."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from scene_files import blender_scene, room_scene  # noqa: E402
from small_trainings import ALONE, MODELS, create, gain, same, train  # noqa: E402

from nerf_trainer.models import occupancy  # noqa: E402
from nerf_trainer.trainer import Trainer  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def ball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blender_scene(tmp_path_factory.mktemp("ball"), train=24)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return room_scene(tmp_path_factory.mktemp("room"), train=40)


@pytest.mark.parametrize("background", ["white", "black", "random"])
def test_every_background_is_learnt(ball: Path, background: str) -> None:
    trainer = create(ball, "occupancy", background=background)
    train(trainer, 150)
    assert gain(trainer) > 3


def test_what_is_behind_the_opaque_is_not_missed(
    ball: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = create(ball, "occupancy")
    train(trainer, 300)
    rays = trainer.held_out_rays.view(0)
    fast = trainer.render(rays)
    monkeypatch.setattr(occupancy, "PARTS", 1)
    slow = trainer.render(rays)
    assert slow.opacity.max() > 0.999
    assert (fast.rgb - slow.rgb).abs().max() < 2e-3
    assert (fast.opacity - slow.opacity).abs().max() < 2e-3
    assert (fast.depth - slow.depth).abs().max() < 1e-2


def test_a_hash_grid_behind_the_hierarchical_sampling_learns(ball: Path) -> None:
    trainer = create(ball, "hierarchical")
    train(trainer, 150)
    assert gain(trainer) > 3


def test_an_unbounded_scene_is_learnt_with_its_background(room: Path) -> None:
    trainer = create(room, "proposal")
    train(trainer, 150)
    assert gain(trainer) > 3


@pytest.mark.parametrize("name", MODELS)
def test_resuming_at_any_step_is_the_uninterrupted_run(ball: Path, room: Path, name: str) -> None:
    folder = room if name == "proposal" else ball
    whole, first, second = (create(folder, name) for _ in range(3))
    losses = train(whole, 20)
    train(first, 13)
    second.state.load({k: v.clone() for k, v in first.state.tensors().items()})
    assert train(second, 7) == losses[13:]
    assert same(second, whole)


def test_compiled_it_learns_the_same(ball: Path) -> None:
    plain = create(ball, "occupancy")
    compiled = create(ball, "occupancy", compile=True, threads=2)
    compiled.warm_up()
    assert train(compiled, 20) == pytest.approx(train(plain, 20), rel=1e-3)


def out_of_memory_once(trainer: Trainer, call: int) -> None:
    """Let the call-th chunk find no memory, as a GPU would: no GPU is at hand here."""
    original, calls = trainer.state.model.loss, iter(range(10**6))

    def loss(*args: object) -> object:
        if next(calls) == call:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(*args)

    trainer.state.model.loss = loss


@pytest.mark.parametrize("call", [0, 3])
def test_out_of_memory_halves_the_chunk_and_not_the_batch(ball: Path, call: int) -> None:
    halved, small = create(ball, "hierarchical"), create(ball, "hierarchical", raysPerChunk=32)
    out_of_memory_once(halved, call)
    results = [t.step(ALONE, changing=False) for t in (halved, small)]
    assert results[0].rays == results[1].rays == 256
    assert results[0].loss == results[1].loss
    train(halved, 3), train(small, 3)
    assert halved.state.halvings == 1
    assert torch.equal(halved.state.tensors()["step"], torch.tensor(4))
    halved.state.halvings = 0
    assert same(halved, small)


def test_chunks_are_halved_before_the_first_step_too(ball: Path) -> None:
    halved, small = create(ball, "hierarchical"), create(ball, "hierarchical", raysPerChunk=32)
    out_of_memory_once(halved, 0)
    halved.warm_up()
    assert halved.state.halvings == 1
    assert train(halved, 2) == train(small, 2)


def test_a_ray_that_does_not_fit_is_an_error(ball: Path) -> None:
    trainer = create(ball, "hierarchical")

    def loss(*_: object) -> object:
        raise torch.OutOfMemoryError("CUDA out of memory")

    trainer.state.model.loss = loss
    with pytest.raises(torch.OutOfMemoryError, match="single ray"):
        trainer.step(ALONE, changing=False)
    with pytest.raises(torch.OutOfMemoryError, match="single ray"):
        trainer.warm_up()


def test_stages_change_the_rays_and_the_samples(ball: Path) -> None:
    stages = [
        {"fromStep": 0, "downscale": 2, "detail": 50, "samplesPerRay": 24},
        {"fromStep": 2, "downscale": 1, "detail": 100, "samplesPerRay": 48},
    ]
    trainer = create(ball, "hierarchical", stages=stages)
    samples = [trainer.step(ALONE, changing=False).samples for _ in range(3)]
    assert samples == [256 * 18, 256 * 18, 256 * 36]
    assert trainer.state.model.fine.encoding.open.flatten().tolist() == [1.0] * 6
