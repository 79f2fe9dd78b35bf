"""The step: reproducible, resumable, and the same for any number of workers."""

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import safetensors.torch  # noqa: E402
from scene_files import blender_scene  # noqa: E402

from nerf_contract.training import PreparedDataset, TrainerConfig  # noqa: E402
from nerf_trainer.app import Stores, resume  # noqa: E402
from nerf_trainer.checkpoint import CheckpointStore  # noqa: E402
from nerf_trainer.elastic.interface import Generation  # noqa: E402
from nerf_trainer.evaluate import evaluate, psnr  # noqa: E402
from nerf_trainer.metrics import TrainerMetrics  # noqa: E402
from nerf_trainer.progress import Board  # noqa: E402
from nerf_trainer.randomness import generator  # noqa: E402
from nerf_trainer.scenes import load_scene  # noqa: E402
from nerf_trainer.telemetry import Telemetry  # noqa: E402
from nerf_trainer.trainer import Trainer  # noqa: E402

pytestmark = pytest.mark.torch

ALONE = Generation(number=1, rank=0, world_size=1, source=0, writer=0)
CPU = torch.device("cpu")
SMALL = {
    "model": {
        "levels": 6,
        "log2TableSize": 13,
        "finestResolution": 64,
        "hiddenWidth": 32,
        "sceneBound": 1.0,
        "occupancyResolution": 16,
    },
    "training": {
        "steps": 200,
        "raysPerBatch": 256,
        "samplesPerRay": 48,
        "shards": 4,
        "compile": False,
        "threads": 1,
    },
}


def small_trainer(folder: Path, **training: object) -> Trainer:
    config = TrainerConfig.model_validate(
        SMALL | {"training": {**SMALL["training"], **training}}  # type: ignore[dict-item]
    )
    torch.set_num_threads(1)
    return Trainer(config, load_scene(PreparedDataset(), folder, "white"), CPU)


def train(trainer: Trainer, steps: int) -> list[float]:
    return [trainer.step(ALONE, changing=False).loss for _ in range(steps)]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blender_scene(tmp_path_factory.mktemp("scene"), train=24)


def same(a: dict[str, "torch.Tensor"], b: dict[str, "torch.Tensor"]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_it_learns_the_scene(scene: Path) -> None:
    trainer = small_trainer(scene)
    truth = trainer.held_out_rays.view(0).rgb
    baseline = psnr(truth.mean(0).expand_as(truth), truth)
    train(trainer, 200)
    evaluation = evaluate(trainer.render, trainer.held_out_rays, ALONE, lambda *_: None, [0, 1])
    assert evaluation.psnr > baseline + 5
    assert 0.5 < evaluation.ssim < 1
    assert trainer.state.model.occupancy() < 0.6


def test_the_same_seed_gives_the_same_weights(scene: Path) -> None:
    first, second = small_trainer(scene), small_trainer(scene)
    assert train(first, 20) == train(second, 20)
    assert same(first.state.tensors(), second.state.tensors())


def test_another_seed_gives_other_weights(scene: Path) -> None:
    assert train(small_trainer(scene, seed=1), 2) != train(small_trainer(scene), 2)


@pytest.mark.parametrize("stop", [5, 16])
def test_resuming_gives_the_weights_of_an_uninterrupted_run(
    scene: Path, tmp_path: Path, stop: int
) -> None:
    whole = small_trainer(scene)
    train(whole, 24)
    interrupted = small_trainer(scene)
    train(interrupted, stop)
    state = safetensors.torch.save(interrupted.state.tensors())
    CheckpointStore(tmp_path, {}, keep=1).save(stop, state)
    resumed = small_trainer(scene)
    found = CheckpointStore(tmp_path, {}, keep=1).newest()
    assert found is not None
    resumed.state.load(found.tensors)
    assert resumed.state.step == stop
    train(resumed, 24 - stop)
    assert same(resumed.state.tensors(), whole.state.tensors())


@pytest.mark.parametrize(
    ("on_volume", "in_memory", "step"),
    [(None, None, 0), (1, None, 1), (None, 1, 1), (1, 2, 2), (2, 1, 2), (1, 1, 1)],
)
def test_the_newest_state_is_taken_wherever_it_lies(
    scene: Path, tmp_path: Path, on_volume: int | None, in_memory: int | None, step: int
) -> None:
    trainer, board = small_trainer(scene), Board()
    stores = Stores(*(CheckpointStore(tmp_path / name, {}, keep=1) for name in ("disk", "memory")))
    for store, saved in ((stores.volume, on_volume), (stores.memory, in_memory)):
        if saved and store:
            trainer.state.step = saved
            store.save(saved, safetensors.torch.save(trainer.state.tensors()))
    trainer.state.step = 0
    resume(trainer, Telemetry(board, TrainerMetrics(), talkative=False), stores)
    assert trainer.state.step == step
    told = board.progress.checkpoint
    assert (told and told.step) == on_volume  # What lies in memory is not safe.


def test_warming_up_changes_nothing(scene: Path) -> None:
    warm, cold = small_trainer(scene), small_trainer(scene)
    warm.warm_up()
    assert same(warm.state.tensors(), cold.state.tensors())
    assert train(warm, 3) == train(cold, 3)


def test_a_step_is_the_mean_over_its_shards(scene: Path) -> None:
    """Four shards' accumulated gradient is that of their mean loss in one backward pass."""
    trainer = small_trainer(scene)
    parameters = list(trainer.state.model.parameters())
    trainer._gradients_of_all(ALONE, changing=False)
    accumulated = [p.grad.clone() for p in parameters]
    chunks = [chunk for shard in range(4) for chunk in trainer._chunks(shard)]
    trainer.forget_gradients()
    torch.stack([trainer.state.model(*chunk).value for chunk in chunks]).mean().backward()
    for a, b in zip(accumulated, parameters, strict=True):
        torch.testing.assert_close(a, b.grad, rtol=1e-4, atol=1e-7)


def test_a_loss_that_is_not_finite_leaves_the_weights(scene: Path) -> None:
    trainer = small_trainer(scene)
    train(trainer, 1)
    before = {k: v.clone() for k, v in trainer.state.tensors().items() if k.startswith("model.f")}
    original = trainer.state.model.loss

    def poisoned(*args: object) -> object:
        loss = original(*args)
        return replace(loss, value=loss.value * float("nan"))

    trainer.state.model.loss = poisoned
    result = trainer.step(ALONE, changing=False)
    assert result.skipped
    after = trainer.state.tensors()
    assert before and all(torch.equal(before[name], after[name]) for name in before)
    assert trainer.state.step == 2


def test_randomness_depends_on_step_and_stream() -> None:
    draws = [generator(0, step, stream).random() for step in range(3) for stream in range(3)]
    assert len(set(draws)) == 9
    assert generator(0, 2, 1).random() == draws[7]
