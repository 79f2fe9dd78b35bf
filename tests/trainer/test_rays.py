"""Rays: through which pixels, where to, and what they see."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lens_reference import Coefficients, project  # noqa: E402
from scene_files import (  # noqa: E402
    add_mask,
    ball_along,
    blender_scene,
    distorted_scene,
    load,
    nerfstudio_scene,
    pose,
)

from nerf_trainer.failures import TrainerFailure  # noqa: E402
from nerf_trainer.ray_source import RaySource, usable_numbers  # noqa: E402
from nerf_trainer.scenes import Views  # noqa: E402

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")
LENSES = [
    Coefficients(k1=-0.18, k2=0.05, k3=-0.004, p1=0.002, p2=-0.003),
    Coefficients(fisheye=True, k1=0.05, k2=-0.02, k3=0.004, k4=-0.001),
]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def noise_views(height: int, width: int, count: int = 2) -> Views:
    """Views of random pixels, half transparent, with one unusable pixel in the second."""
    random = rng()
    usable = np.ones((count, height, width), np.bool_)
    usable[1, 0, 0] = False
    return Views(
        images=random.integers(0, 256, (count, height, width, 3), dtype=np.uint8),
        poses=np.stack([pose(k, count)[:3] for k in range(count)]).astype(np.float32),
        intrinsics=np.full((count, 4), 6, np.float32),
        names=tuple(str(k) for k in range(count)),
        alpha=random.integers(0, 256, (count, height, width), dtype=np.uint8),
        usable=usable,
    )


def test_a_pinholes_rays_are_the_textbooks(tmp_path: Path) -> None:
    views = load(blender_scene(tmp_path)).train
    rays = RaySource(views, CPU).view(1)
    fx, fy, cx, cy = torch.from_numpy(views.intrinsics[1])
    row, column = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    x, y = (column + 0.5 - cx) / fx, (row + 0.5 - cy) / fy
    local = torch.stack([x, -y, -torch.ones_like(x)], -1).view(-1, 3)
    matrix = torch.from_numpy(views.poses[1])
    d = torch.nn.functional.normalize((matrix[:, :3] * local[:, None]).sum(-1), dim=-1)
    assert torch.equal(rays.d, d)
    assert torch.equal(rays.o, matrix[:, 3].expand(1024, 3))
    assert rays.alpha is None


@pytest.mark.parametrize("lens", LENSES)
def test_photos_through_a_distorting_lens_show_what_their_rays_hit(
    tmp_path: Path, lens: Coefficients
) -> None:
    scene = load(distorted_scene(tmp_path, lens, focal=14.0))
    source = RaySource(scene.train, CPU)
    for view in range(source.views):
        rays = source.view(view)
        matrix = np.eye(4)
        matrix[:3, 3] = scene.train.poses[view, :, 3]
        expected = ball_along(matrix, rays.d.numpy()[None].astype(np.float64))[0, :, :3]
        off = np.abs(rays.rgb.numpy() * 255 - expected).max(-1)
        # A ray that grazes the ball may hit or miss it by the last digit.
        assert (off > 1).mean() < 0.005
        assert (expected > 0).any()


@pytest.mark.parametrize("lens", LENSES)
def test_distorted_rays_lead_back_to_the_centres_of_their_pixels(
    tmp_path: Path, lens: Coefficients
) -> None:
    views = load(distorted_scene(tmp_path, lens, focal=14.0)).train
    rays = RaySource(views, CPU).view(0)
    local = rays.d.double().numpy() @ views.poses[0, :, :3].astype(np.float64)
    plane = np.array([project(x, -y, -z, lens) for x, y, z in local])
    row, column = np.mgrid[:24, :24]
    centres = np.stack([column, row], -1).reshape(-1, 2) + 0.5
    assert np.abs(plane * 14 + 12 - centres).max() < 1e-4


def test_masked_pixels_are_never_drawn_and_the_others_evenly(tmp_path: Path) -> None:
    folder = nerfstudio_scene(tmp_path)
    used = np.zeros((8, 8), np.bool_)
    used[2:6, 3] = True
    for frame in (1, 2, 3):
        add_mask(folder, frame, used)
    source = RaySource(load(folder).train, CPU)
    drawn = source.draw(6000, rng())
    allowed = torch.cat([source.view(k).d.view(8, 8, 3)[torch.from_numpy(used)] for k in range(3)])
    found, counts = torch.unique(drawn.d, dim=0, return_counts=True)
    assert torch.equal(found, torch.unique(allowed, dim=0))
    assert len(found) == 12
    assert counts.min() > 400


def test_the_mask_of_a_view_is_for_those_who_judge_it(tmp_path: Path) -> None:
    folder = nerfstudio_scene(tmp_path)
    used = np.indices((8, 8)).sum(0) % 3 > 0
    add_mask(folder, 2, used)
    source = RaySource(load(folder).train, CPU)
    assert source.mask(0) is None
    mask = source.mask(1)
    assert mask is not None
    assert mask.dtype == torch.bool
    np.testing.assert_array_equal(mask.numpy(), used)
    assert len(source.view(1)) == 64


def test_transparent_pixels_can_be_put_on_any_background(tmp_path: Path) -> None:
    blender_scene(tmp_path)
    white, random = (RaySource(load(tmp_path, b).train, CPU) for b in ("white", "random"))
    rays = random.draw(500, rng())
    assert rays.alpha is not None
    assert 0 < rays.alpha.mean() < 1
    truth = rays.rgb + 1.0 * (1 - rays.alpha[:, None])
    torch.testing.assert_close(truth, white.draw(500, rng()).rgb, rtol=0, atol=1.01 / 255)
    part = rays.slice(3, 8)
    assert part.alpha is not None
    assert torch.equal(part.alpha, rays.alpha[3:8])


@pytest.mark.parametrize(("height", "width"), [(12, 8), (11, 7)])
def test_lower_resolutions(height: int, width: int) -> None:
    views = noise_views(height, width)
    source = RaySource(views, CPU)
    assert source.at(1) is source
    half = source.at(2)
    assert half is source.at(2)
    assert (half.views, half.height, half.width) == (2, height // 2, width // 2)
    block = views.images[1, 2:4, 4:6].astype(float).mean((0, 1))
    assert np.abs(half.photo(1)[1, 2].numpy() - block).max() <= 0.5
    rays = half.view(1)
    assert rays.alpha is not None
    alpha = views.alpha[1, 2:4, 4:6].mean()  # type: ignore[index]
    assert abs(float(rays.alpha.view(height // 2, -1)[1, 2]) * 255 - alpha) <= 0.5
    mask = half.mask(1)
    assert mask is not None
    assert mask.view(-1).nonzero().view(-1).tolist() == list(range(1, mask.numel()))
    assert half.photo(0).dtype == torch.uint8


def test_a_ray_of_a_lower_resolution_goes_through_the_middle_of_its_block() -> None:
    source = RaySource(noise_views(12, 8), CPU)
    corners = source.view(0).d.view(12, 8, 3)[2:4, 4:6].reshape(4, 3)
    middle = torch.nn.functional.normalize(corners.sum(0), dim=0)
    assert float(middle @ source.at(2).view(0).d.view(6, 4, 3)[1, 2]) > 0.9999


def test_a_resolution_that_leaves_nothing() -> None:
    views = noise_views(12, 8)
    with pytest.raises(TrainerFailure, match="8x12 pixels cannot be shrunk by 9"):
        RaySource(views, CPU).at(9)
    assert views.usable is not None
    views.usable[:] = np.indices((12, 8)).sum(0) % 2 == 0
    with pytest.raises(TrainerFailure, match="leave no 2x2 pixels"):
        RaySource(views, CPU).at(2)


def test_numbers_of_usable_pixels_are_small() -> None:
    usable = np.zeros((3, 20, 10), np.bool_)
    usable[0, 0, 3] = usable[2, 19, 9] = True
    numbers = usable_numbers(usable)
    assert numbers.tolist() == [3, 599]
    assert numbers.dtype == np.uint16
