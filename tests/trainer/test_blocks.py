"""How much is rendered at once outside training."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from scene_files import blender_scene  # noqa: E402
from small_trainings import create, train  # noqa: E402

from nerf_trainer.models import occupancy  # noqa: E402
from nerf_trainer.models.interface import BLOCK_SAMPLES, block_rays  # noqa: E402
from nerf_trainer.models.occupancy import BLOCK_CANDIDATES, PARTS  # noqa: E402

pytestmark = pytest.mark.torch

CPU, GPU = torch.device("cpu"), torch.device("cuda", 1)


@pytest.mark.parametrize(
    ("budget", "each", "device", "rays"),
    [
        (BLOCK_CANDIDATES, 12, CPU, 10922),
        (BLOCK_CANDIDATES, 64, GPU, 262144),  # 1,024 samples a ray, as in nerfjob-gpu.yaml
        (BLOCK_SAMPLES, 256, CPU, 512),
        (BLOCK_SAMPLES, 1024, GPU, 1024),
        ({"cpu": 100}, 4096, CPU, 1),
    ],
)
def test_the_rays_of_a_block(
    budget: dict[str, int], each: int, device: torch.device, rays: int
) -> None:
    assert block_rays(budget, each, device) == rays


def test_a_large_block_takes_few_launches_and_gives_the_same_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each launch of a compiled field is padded: as many as there are parts are lost by that."""
    trainer = create(blender_scene(tmp_path), "occupancy")
    train(trainer, 100)
    model, rays = trainer.state.model, trainer.held_out_rays.view(0)
    evaluate, sizes = model._evaluate, list[int]()
    monkeypatch.setattr(model, "_evaluate", lambda x, d: sizes.append(len(x)) or evaluate(x, d))

    def render(candidates: int) -> tuple[torch.Tensor, int]:
        monkeypatch.setitem(occupancy.BLOCK_CANDIDATES, "cpu", candidates)
        sizes.clear()
        return trainer.render(rays).rgb, len(sizes)

    (small, many), (large, few) = render(96), render(BLOCK_CANDIDATES["cuda"])
    torch.testing.assert_close(small, large, rtol=0, atol=1e-5)
    budget = model._budget(model._chunk_rays)
    longest = trainer.training.samples_per_ray // PARTS
    assert few <= PARTS + sum(sizes) / (budget - longest)
    assert many > 4 * few
