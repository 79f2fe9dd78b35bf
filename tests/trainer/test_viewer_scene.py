"""What the viewer reads and draws."""

import errno
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from scene_files import blender_scene  # noqa: E402
from viewer_scenes import (  # noqa: E402
    CAMERA,
    CONFIG,
    NOTES,
    STEPS,
    config_of,
    leave_checkpoint,
    psnr,
)

from nerf_contract.reasons import CHECKPOINT_MISMATCH  # noqa: E402
from nerf_contract.training import DatasetConfig  # noqa: E402
from nerf_trainer.failures import TrainerFailure  # noqa: E402
from nerf_trainer.fields import RadianceField  # noqa: E402
from nerf_trainer.fields.space import Contraction, Cube, Space  # noqa: E402
from nerf_trainer.manifest import MANIFEST_FILE, Notes, _checksum  # noqa: E402
from nerf_trainer.models import create_model  # noqa: E402
from nerf_trainer.ray_source import RaySource  # noqa: E402
from nerf_trainer.scenes import load_scene  # noqa: E402
from nerf_trainer.trained_model import finest_field  # noqa: E402
from nerf_trainer.viewer.canvas import Canvas, blank, middle_first, sharpen  # noqa: E402
from nerf_trainer.viewer.preview import make_preview, world  # noqa: E402
from nerf_trainer.viewer.source import Snapshot, Source  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture
def job(tmp_path: Path) -> Path:
    leave_checkpoint(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    folder = tmp_path_factory.mktemp("job")
    leave_checkpoint(folder)
    return open_job(folder)


def open_job(folder: Path) -> Snapshot:
    found = Source(CONFIG, folder).read()
    assert found is not None
    return found


def complete(canvas: Canvas, slab: int = 10_000) -> np.ndarray:
    while not canvas.finished:
        canvas.draw(slab)
    return canvas.picture


def files(folder: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in folder.rglob("*")}


def test_nothing_is_there_before_the_first_checkpoint(tmp_path: Path) -> None:
    source = Source(config_of("occupancy"), tmp_path)
    assert not source.changed()
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_is_read_once(job: Path) -> None:
    source = Source(CONFIG, job)
    assert source.changed()
    found = source.read()
    assert found is not None
    assert (found.step, found.notes) == (STEPS, NOTES)
    assert not source.changed()


def test_looking_changes_nothing(job: Path) -> None:
    (job / "checkpoints/.step-000000090.tmp").mkdir()  # Being written by the trainer.
    before = files(job)
    assert open_job(job).step == STEPS
    assert files(job) == before


def test_a_checkpoint_of_another_config_is_told_by_name(job: Path) -> None:
    seed = CONFIG.training.model_copy(update={"seed": 5})
    source = Source(CONFIG.model_copy(update={"training": seed}), job)
    with pytest.raises(TrainerFailure, match=r"training\.seed") as caught:
        source.read()
    assert caught.value.reason == CHECKPOINT_MISMATCH
    assert not source.changed()  # Nothing comes of reading it again.


def test_a_volume_that_fails_is_asked_again(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: Path) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    source = Source(CONFIG, job)
    with monkeypatch.context() as broken, pytest.raises(TrainerFailure):
        broken.setattr(Path, "read_bytes", failing)
        source.read()
    assert source.changed()
    assert source.read()


def test_a_checkpoint_without_notes_is_as_good(job: Path) -> None:
    path = next(job.glob(f"checkpoints/*/{MANIFEST_FILE}"))
    manifest = json.loads(path.read_text())
    del manifest["notes"]
    path.write_text(json.dumps(manifest | {"manifestSha256": _checksum(manifest)}))
    assert open_job(job).notes == Notes()


def test_a_torn_checkpoint_is_passed_over(job: Path) -> None:
    (job / "checkpoints/step-000000099").mkdir()
    assert open_job(job).step == STEPS


def test_rays_are_those_of_a_photo(tmp_path: Path) -> None:
    scene = load_scene(DatasetConfig(downscale=1), blender_scene(tmp_path), "white")
    photo = RaySource(scene.held_out, torch.device("cpu")).view(0)
    size = scene.held_out.images.shape[2], scene.held_out.images.shape[1]
    rays = CAMERA.rays(*size, torch.arange(size[0] * size[1]))
    assert torch.allclose(rays.o, photo.o, atol=1e-5)
    assert torch.allclose(rays.d, photo.d, atol=1e-5)


@pytest.mark.parametrize("slab", [7, 64, 10_000])
def test_a_sharp_picture_is_what_the_model_renders(snapshot: Snapshot, slab: int) -> None:
    rgb = snapshot.model.render(CAMERA.rays(24, 16, torch.arange(24 * 16))).rgb.view(16, 24, 3)
    expected = (rgb.clamp(0, 1) * 255).round().numpy()
    drawn = complete(blank(snapshot, CAMERA, (24, 16), sharp=True), slab)
    assert np.abs(drawn - expected).max() <= 1


def test_a_preview_looks_like_the_scene(snapshot: Snapshot) -> None:
    sharp, coarse = (complete(blank(snapshot, CAMERA, (32, 32), sharp=s)) for s in (True, False))
    flat = np.broadcast_to(sharp.mean((0, 1)), sharp.shape)
    assert psnr(coarse, sharp) > psnr(flat, sharp) + 3


class BallInARoom(RadianceField):
    """A red ball of radius 0.6, and a green wall from radius 6 on."""

    def __init__(self, space: Space) -> None:
        super().__init__(space, torch.nn.Identity(), torch.nn.Identity())

    def forward(self, x: torch.Tensor, d: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        ball, wall = x.norm(dim=-1) < 0.6, x.norm(dim=-1) > 6
        return 80.0 * (ball | wall), torch.stack([ball.float(), wall.float(), 0 * wall], -1)


@pytest.mark.parametrize(
    ("space", "around"), [(Cube(1.0), (1, 1, 1)), (Contraction(1.0), (0, 1, 0))]
)
def test_a_preview_shows_what_is_near_and_what_is_far(
    space: Space, around: tuple[float, float, float]
) -> None:
    preview = make_preview(SimpleNamespace(field=BallInARoom(space)), background=1.0)
    rgb = preview.render(CAMERA.rays(21, 21, torch.arange(21 * 21))).rgb.view(21, 21, 3)
    ball = (rgb - torch.tensor([1.0, 0, 0])).abs().amax(-1) < 0.15
    rest = (rgb - torch.tensor(around)).abs().amax(-1) < 0.15
    assert ball[10, 10], rgb[10, 10]
    assert rest[0, 0], rgb[0, 0]
    # The ball covers 0.6 / sqrt(3² - 0.6²) of the half height 3 tan(0.4) / 3: 48 % of it.
    assert int(ball[10].sum()) == pytest.approx(10, abs=2)
    assert int((ball | rest).sum()) > 0.8 * 21 * 21


@pytest.mark.parametrize(("model", "name"), [("hierarchical", "fine"), ("proposal", "field")])
def test_the_finest_field_is_previewed(model: str, name: str) -> None:
    created = create_model(config_of(model), 64)
    assert finest_field(created) is getattr(created, name)


@pytest.mark.parametrize("space", [Cube(1.5), Contraction(1.5)])
def test_the_grid_lies_where_the_field_is_asked(space: torch.nn.Module) -> None:
    place = torch.rand(500, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    if isinstance(space, Contraction):
        place = place[place.norm(dim=-1) < 0.99]
    assert torch.allclose(space(world(place, space)), place, atol=1e-5)


def test_drawing_begins_in_the_middle() -> None:
    order = middle_first(2, 5)
    assert order[:2].tolist() == [4, 5]
    assert sorted(order.tolist()) == list(range(10))


def test_what_is_not_sharp_yet_shows_the_picture_before(snapshot: Snapshot) -> None:
    coarse = blank(snapshot, CAMERA, (16, 16))
    complete(coarse)
    canvas = sharpen(snapshot, coarse, (32, 32))
    canvas.draw(32 * 8)
    whole = complete(blank(snapshot, CAMERA, (32, 32), sharp=True))
    assert np.array_equal(canvas.picture[14:18], whole[14:18])
    assert psnr(canvas.picture[:8], whole[:8]) > 10
    assert not np.array_equal(canvas.picture[:8], whole[:8])


def test_an_interrupted_picture_goes_on_where_it_stopped(snapshot: Snapshot) -> None:
    first = blank(snapshot, CAMERA, (8, 8), sharp=True)
    first.draw(24)
    second = sharpen(snapshot, first, (8, 8))
    assert torch.equal(second.order[:40], first.order[24:])
    assert not second.finished
