"""The cameras of plain photos: found, kept, found again, and what is said where they cannot be."""

import json
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

pytestmark = pytest.mark.torch
pycolmap = pytest.importorskip("pycolmap")

from camera_paths import Poses, aligned, arc, median_angle  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from PIL import Image  # noqa: E402

from nerf_contract import names  # noqa: E402
from nerf_contract.dataset import PosesConfig  # noqa: E402
from nerf_contract.reasons import DATASET_INVALID, DATASET_VOLUME, POSES_FAILED  # noqa: E402
from nerf_contract.training import PreparedDataset  # noqa: E402
from nerf_trainer import poses  # noqa: E402
from nerf_trainer.failures import TrainerFailure  # noqa: E402
from nerf_trainer.poses import Found, find_poses, matching  # noqa: E402
from nerf_trainer.scenes import demo, load_scene  # noqa: E402
from nerf_trainer.scenes.listing import list_photos  # noqa: E402

COUNT, WIDTH, STEP = 14, 320, 10
#: The photo that is stored on its side, and told to be so by EXIF: to be turned right.
LYING = 5
CONFIG = PosesConfig(max_features=1024)
STRANGER = "stranger.png"


def camera_poses() -> Poses:
    """Cameras (COUNT, 4, 4) on an arc around the still life, at two heights."""
    return arc(np.radians(STEP) * np.arange(COUNT), np.radians(25 + 12 * (np.arange(COUNT) % 2)))


def write_photos(folder: Path) -> None:
    """The arc's photos, and one of noise."""
    for k, pose in enumerate(camera_poses()):
        photo = Image.fromarray(demo.photo(pose.astype(np.float32), WIDTH, supersample=1))
        exif = Image.Exif()
        if k == LYING:
            photo = photo.transpose(Image.Transpose.ROTATE_90)
            exif[0x0112] = 6
        photo.save(folder / f"{k:02d}.png", exif=exif)
    noise = np.random.default_rng(0).integers(0, 256, (WIDTH, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / STRANGER)


class KilledError(Exception):
    """Stands for the end of the pod."""


class Search:
    """One search of a module's tests: killed before the mapping, and begun again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[tuple[str, float]] = []
        write_photos(folder)
        with pytest.raises(KilledError):
            find_poses(folder, list_photos(folder), CONFIG, self._killed_at_mapping)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pycolmap, "extract_features", _never)
            patch.setattr(matching, "mutual_matches", _never)
            self.found = find_poses(folder, list_photos(folder), CONFIG, lambda *_: None)
        self.place = folder / names.POSES_DIR / self.found.poses
        self.document = json.loads((self.place / "transforms.json").read_text())

    def _killed_at_mapping(self, activity: str, done: float) -> None:
        self.told.append((activity, done))
        if activity == "mapping":
            raise KilledError


def _never(*_: Any, **__: Any) -> NoReturn:
    pytest.fail("what was done before the end of the pod was done again")


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Search:
    return Search(tmp_path_factory.mktemp("photos"))


def found_poses(search: Search) -> Poses:
    return np.array([frame["transform_matrix"] for frame in search.document["frames"]])


def test_all_photos_of_the_scene_are_posed_and_the_stranger_is_named(search: Search) -> None:
    assert search.found == Found(COUNT + 1, [STRANGER], search.place.name, search.found.error)
    assert 0 < search.found.error < 1.5
    assert [f["file_path"] for f in search.document["frames"]] == [
        f"{k:02d}.png" for k in range(COUNT)
    ]


def test_cameras_are_where_they_were(search: Search) -> None:
    centres, _ = aligned(found_poses(search), camera_poses())
    wrong = np.linalg.norm(centres - camera_poses()[:, :3, 3], axis=1)
    assert wrong.max() < 0.02 * demo.SCENE_RADIUS, wrong


def test_cameras_look_where_they_did(search: Search) -> None:
    assert median_angle(found_poses(search), camera_poses()) < 0.5


def test_up_is_up_and_the_still_life_fills_the_cube(search: Search) -> None:
    _, tilt = aligned(found_poses(search), camera_poses())
    assert tilt < 2
    points, colours = read_ply(search.place / search.document["ply_file_path"])
    assert len(points) > 200
    extent = np.percentile(points, 99, axis=0) - np.percentile(points, 1, axis=0)
    assert 1.8 < extent.max() <= 2.01
    assert np.abs(np.median(points, axis=0)).max() < 0.6
    assert colours.std(0).min() > 10, "points have the colours of the scene"


def read_ply(path: Path) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    header, _, body = path.read_bytes().partition(b"end_header\n")
    assert f"element vertex {len(body) // 15}".encode() in header
    rows = np.frombuffer(body, np.dtype([("at", "<f4", 3), ("colour", "u1", 3)]))
    return rows["at"], rows["colour"]


def test_the_focal_length_is_found(search: Search) -> None:
    frame = search.document["frames"][0]
    assert (frame["w"], frame["h"]) == (WIDTH, WIDTH)
    assert frame["fl_x"] == pytest.approx(demo.focal_length(WIDTH), rel=0.05)


def test_the_trainer_sees_upright_photos_with_these_poses(search: Search) -> None:
    config = PreparedDataset(poses=search.found.poses)
    train = load_scene(config, search.folder, "white").train
    upright = demo.photo(camera_poses()[LYING].astype(np.float32), WIDTH, supersample=1)
    at = train.names.index(f"{LYING:02d}.png")
    np.testing.assert_array_equal(train.images[at], upright)
    np.testing.assert_allclose(train.poses[at], found_poses(search)[LYING][:3], rtol=1e-5)


def test_what_was_done_before_the_pod_was_lost_is_not_done_again(search: Search) -> None:
    """The search itself fails otherwise. Nothing of it is left on the volume."""
    assert [path.name for path in (search.folder / names.POSES_DIR).iterdir()] == [
        search.place.name
    ]


def test_progress_grows(search: Search) -> None:
    assert list(dict.fromkeys(a for a, _ in search.told)) == [
        *("reading", "features", "matching", "mapping")
    ]
    shares = [share for _, share in search.told]
    assert shares == sorted(shares)
    assert shares[0] >= 0 and shares[-1] <= 1


def test_a_second_job_takes_what_is_there(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poses, "_find", _never)
    found = find_poses(search.folder, list_photos(search.folder), CONFIG, lambda *_: None)
    assert found == search.found


def noise(folder: Path, count: int, size: tuple[int, int] = (64, 64), seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    for k in range(count):
        pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{k}.png")
    return folder


def refusal(folder: Path, **config: Any) -> TrainerFailure:
    with pytest.raises(TrainerFailure) as caught:
        find_poses(folder, list_photos(folder), PosesConfig(**config), lambda *_: None)
    return caught.value


def test_photos_that_share_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    failure = refusal(noise(tmp_path, 8))
    assert failure.reason == POSES_FAILED
    assert "only 0 of 8 photos" in failure.message
    assert "0.png, 1.png, 2.png, 3.png, 4.png ..." in failure.message
    assert "texture" in failure.message
    assert capfd.readouterr().err == "", "COLMAP's own log is no use to anyone"


def test_photos_from_one_place(tmp_path: Path) -> None:
    """The same picture five times, each with some noise of its own: no camera has moved."""
    picture = demo.photo(camera_poses()[0].astype(np.float32), 128, supersample=1)
    rng = np.random.default_rng(0)
    for k in range(5):
        noisy = picture.astype(int) + rng.integers(-3, 4, picture.shape)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(tmp_path / f"{k}.png")
    failure = refusal(tmp_path)
    assert failure.reason == POSES_FAILED
    assert "all but copies" in failure.message
    assert "walking around" in failure.message


def test_a_link_out_of_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    (tmp_path / "photos").mkdir()
    noise(tmp_path / "photos", 3)
    Image.new("RGB", (64, 64)).save(outside)
    (tmp_path / "photos/3.png").symlink_to(outside)
    failure = refusal(tmp_path / "photos")
    assert failure.reason == DATASET_INVALID
    assert "leads out of the dataset's folder" in failure.message


def test_a_volume_that_cannot_be_written(tmp_path: Path) -> None:
    noise(tmp_path, 3)
    tmp_path.chmod(0o555)
    failure = refusal(tmp_path)
    tmp_path.chmod(0o755)
    assert failure.reason == DATASET_VOLUME
    assert "cannot be written (Permission denied)" in failure.message


def test_gps_is_asked_for_by_name_only_where_all_photos_have_it(tmp_path: Path) -> None:
    failure = refusal(noise(tmp_path, 3), matching="gps")
    assert failure.reason == DATASET_INVALID
    assert "0.png has no GPS position" in failure.message
