"""A COLMAP model that is cut off, damaged or unreadable, and one of several cameras on a rig."""

import os
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formats import colmap_binary, colmap_text, poses, world_to_camera, write_photos

pytest.importorskip("torch")
pytestmark = pytest.mark.torch
pycolmap = pytest.importorskip("pycolmap")

from nerf_contract.training import PreparedDataset  # noqa: E402
from nerf_trainer.failures import TrainerFailure  # noqa: E402
from nerf_trainer.scenes import read_split  # noqa: E402
from nerf_trainer.scenes.colmap_lengths import check_lengths  # noqa: E402

BINARY = ("cameras.bin", "images.bin", "points3D.bin")
HEADER, NAME = 8, len(b"00.png\0")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A binary model, with its photos two folders up."""
    colmap_binary(tmp_path)
    shutil.rmtree(tmp_path / "sparse" / "0")
    return tmp_path / "sparse" / "1"


def read(model: Path) -> list[Any]:
    """Its photos, those that are held out last."""
    train, held_out = read_split(model.parents[1], PreparedDataset(format="colmap"))
    return [*train, *held_out]


@pytest.mark.parametrize("name", BINARY)
def test_a_file_is_cut_off_at_any_byte(model: Path, name: str) -> None:
    whole = (model / name).read_bytes()
    for length in range(len(whole)):
        (model / name).write_bytes(whole[:length])
        with pytest.raises(TrainerFailure, match=f"{name} is cut off or damaged"):
            read(model)


@pytest.mark.parametrize(
    ("name", "count_at"), [("images.bin", HEADER + 64 + NAME), ("points3D.bin", HEADER + 43)]
)
def test_an_entry_that_goes_on_for_longer_than_its_file(
    model: Path, name: str, count_at: int
) -> None:
    data = bytearray((model / name).read_bytes())
    assert struct.unpack_from("<Q", data, count_at) == (0,), "no observations"
    for count in (len(data), 2**31, 2**64 - 1):
        struct.pack_into("<Q", data, count_at, count)
        (model / name).write_bytes(data)
        with pytest.raises(TrainerFailure, match="is cut off or damaged"):
            check_lengths([model / name])


def test_rigs_and_frames_are_not_looked_at(model: Path) -> None:
    before = [photo.pose for photo in read(model)]
    for name in ("rigs.bin", "frames.bin"):
        assert (model / name).exists()
        (model / name).write_bytes(b"\xff" * 100)
    np.testing.assert_array_equal([photo.pose for photo in read(model)], before)


def test_cameras_on_a_rig_are_where_colmap_says(tmp_path: Path) -> None:
    files = write_photos(tmp_path)
    whole = rig_of_two(files)
    (tmp_path / "sparse").mkdir()
    whole.write_binary(tmp_path / "sparse")
    given = {image.name: image.projection_center() for image in whole.images.values()}
    assert np.linalg.norm(given[files[0]] - given[files[1]]) == pytest.approx(0.5)
    photos = read_split(tmp_path, PreparedDataset(format="colmap"))[0]
    read_at = np.array([photo.pose[:, 3] for photo in photos])
    true_at = np.array([given[photo.path.name] for photo in photos])
    np.testing.assert_allclose(distances(read_at), distances(true_at), rtol=1e-4)


def rig_of_two(files: list[str]) -> Any:
    """Photos by twos, of two cameras that are half a unit apart."""
    whole = pycolmap.Reconstruction()
    first, second = (pycolmap.sensor_t(pycolmap.SensorType.CAMERA, n) for n in (1, 2))
    rig = pycolmap.Rig(rig_id=1)
    rig.add_ref_sensor(first)
    rig.add_sensor(second, pycolmap.Rigid3d(pycolmap.Rotation3d(), np.array([0.5, 0, 0])))
    for number in (1, 2):
        camera = pycolmap.Camera(
            camera_id=number, model="PINHOLE", width=16, height=16, params=[20, 20, 8, 8]
        )
        whole.add_camera(camera)
    whole.add_rig(rig)
    for k in range(0, len(files), 2):
        add_frame(whole, k, files[k : k + 2], (first, second))
    return whole


def add_frame(whole: Any, k: int, files: list[str], sensors: tuple[Any, Any]) -> None:
    """What both cameras see at one moment."""
    rotation, moved = world_to_camera(poses()[k])
    frame = pycolmap.Frame(frame_id=k + 1, rig_id=1)
    frame.rig_from_world = pycolmap.Rigid3d(pycolmap.Rotation3d(rotation), moved)
    for n, sensor in enumerate(sensors):
        frame.add_data_id(pycolmap.data_t(sensor, k + n + 1))
    whole.add_frame(frame)
    for n, file in enumerate(files):
        image = pycolmap.Image(image_id=k + n + 1, name=file, camera_id=n + 1)
        image.frame_id = k + 1
        whole.add_image(image)
    whole.register_frame(k + 1)


def distances(places: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Between all of them, in units of the largest."""
    found = np.linalg.norm(places[:, None] - places[None], axis=-1)
    return found / found.max()


@pytest.mark.parametrize("quaternion", [(0, 0, 0, 0), (2, 0, 0, 0), (float("nan"), 0, 0, 0)])
def test_a_rotation_that_is_none(model: Path, quaternion: tuple[float, ...]) -> None:
    data = bytearray((model / "images.bin").read_bytes())
    struct.pack_into("<4d", data, HEADER + 4, *quaternion)
    (model / "images.bin").write_bytes(data)
    with pytest.raises(TrainerFailure, match=r"a pose of '00\.png' that cannot be"):
        read(model)


def test_points_that_are_nowhere_are_left_out(model: Path) -> None:
    data = bytearray((model / "points3D.bin").read_bytes())
    struct.pack_into("<3d", data, HEADER + 8, float("nan"), 1e300, 0)
    (model / "points3D.bin").write_bytes(data)
    assert np.isfinite([photo.pose for photo in read(model)]).all()


def test_a_binary_file_beside_a_model_of_text_is_not_looked_at(tmp_path: Path) -> None:
    colmap_text(tmp_path)
    (tmp_path / "sparse" / "1" / "cameras.bin").write_bytes(b"")
    assert read(tmp_path / "sparse" / "1")


@pytest.mark.skipif(os.getuid() == 0, reason="root reads all files")
def test_a_file_that_may_not_be_read(model: Path) -> None:
    (model / "images.bin").chmod(0)
    with pytest.raises(TrainerFailure, match=r"images\.bin cannot be read .* chmod a\+r it"):
        read(model)
