"""The same training on a GPU as on a CPU. Skipped where no GPU is at hand."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from scene_files import blender_scene, room_scene  # noqa: E402
from small_trainings import ALONE, MODELS, create, gain, train  # noqa: E402

from nerf_trainer.fields.hashgrid import HashGrid  # noqa: E402

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    ball = blender_scene(tmp_path_factory.mktemp("ball"), train=24)
    room = room_scene(tmp_path_factory.mktemp("room"), train=40)
    return {"occupancy": ball, "hierarchical": ball, "proposal": room}


@pytest.mark.parametrize("compiled", [False, True])
def test_the_hash_grid_is_that_of_the_cpu(compiled: bool) -> None:
    torch.manual_seed(0)
    cpu = HashGrid(levels=8, log2_table_size=12, features=2, base=4, finest=128)
    gpu = HashGrid(levels=8, log2_table_size=12, features=2, base=4, finest=128).cuda()
    gpu.table.data.copy_(cpu.table.data)
    if compiled:
        gpu.compile_kernels()
    x, g = torch.rand(4096, 3) * 2 - 1, torch.randn(4096, cpu.out_features)
    for grid, device in ((cpu, "cpu"), (gpu, "cuda")):
        (grid(x.to(device)) * g.to(device)).sum().backward()
    torch.testing.assert_close(gpu(x.cuda()).cpu(), cpu(x))
    torch.testing.assert_close(gpu.table.grad.cpu(), cpu.table.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_the_first_steps_are_those_of_the_cpu(scenes: dict[str, Path], name: str) -> None:
    losses = {
        device: train(create(scenes[name], name, device, precision="fp32"), 3)
        for device in ("cpu", "cuda")
    }
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_every_precision_learns(scenes: dict[str, Path], precision: str) -> None:
    trainer = create(scenes["occupancy"], "occupancy", "cuda", precision=precision, compile=True)
    trainer.warm_up()
    train(trainer, 150)
    assert gain(trainer) > 3


def test_a_gpu_that_is_full_takes_smaller_chunks(scenes: dict[str, Path]) -> None:
    """Most of the memory is taken, so that a chunk of the whole shard does not fit."""
    trainer = create(
        scenes["hierarchical"], "hierarchical", "cuda", precision="fp32", raysPerBatch=1 << 17
    )
    torch.cuda.empty_cache()
    _, total = torch.cuda.mem_get_info()
    allowed = torch.cuda.memory_reserved() + (1 << 30)
    torch.cuda.set_per_process_memory_fraction(allowed / total)
    try:
        trainer.step(ALONE, changing=False)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert trainer.state.halvings > 0
    assert trainer.state.step == 1
