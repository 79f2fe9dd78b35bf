"""COLMAP's sparse models, binary or text, with the photos beside them."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nerf_contract.media import PHOTOS_DIR
from nerf_contract.training import PreparedDataset
from nerf_trainer.cameras import Lens
from nerf_trainer.scenes.colmap_lengths import check_cameras, check_lengths
from nerf_trainer.scenes.frames import LARGEST, ROTATION_TOLERANCE
from nerf_trainer.scenes.listing import is_path, mask_of
from nerf_trainer.scenes.nerfstudio import every_nth
from nerf_trainer.scenes.normalising import normalising
from nerf_trainer.scenes.orientation import Y_UP
from nerf_trainer.scenes.types import Photo, invalid

if TYPE_CHECKING:
    from pycolmap import Reconstruction

#: Folders that models lie in, or in whose folders they do.
PLACES = ("sparse", "colmap/sparse", ".")
FILES = ("cameras", "images", "points3D")
#: COLMAP's axes (x right, y down, z forward) in ours (x right, y up, z backward).
OPENGL = np.array([1.0, -1.0, -1.0])
#: Camera models: which parameters are focal lengths and centre (fx, fy, cx, cy), radial and
#: tangential distortion, and whether it is a fisheye.
MODELS: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], bool]] = {
    "SIMPLE_PINHOLE": ((0, 0, 1, 2), (), (), False),
    "PINHOLE": ((0, 1, 2, 3), (), (), False),
    "SIMPLE_RADIAL": ((0, 0, 1, 2), (3,), (), False),
    "RADIAL": ((0, 0, 1, 2), (3, 4), (), False),
    "OPENCV": ((0, 1, 2, 3), (4, 5), (6, 7), False),
    "SIMPLE_RADIAL_FISHEYE": ((0, 0, 1, 2), (3,), (), True),
    "RADIAL_FISHEYE": ((0, 0, 1, 2), (3, 4), (), True),
    "OPENCV_FISHEYE": ((0, 1, 2, 3), (4, 5, 6, 7), (), True),
}


def find_models(folder: Path) -> list[Path]:
    """Folders with a sparse model in them."""
    found: list[Path] = []
    for place in PLACES:
        root = folder / place
        if root.is_dir():
            found += [root, *(p for p in sorted(root.iterdir()) if place != "." and p.is_dir())]
    return [path for path in found if _files(path)]


def _files(folder: Path) -> list[Path]:
    """Those of the model in a folder, binary if there are both kinds, as COLMAP chooses."""
    for kind in (".bin", ".txt"):
        files = [folder / f"{name}{kind}" for name in FILES]
        if all(file.is_file() for file in files):
            return files
    return []


def read_split(folder: Path, config: PreparedDataset) -> tuple[list[Photo], list[Photo]]:
    """Photos of the largest model to train on, and every n-th, held out."""
    path, model = _largest(find_models(folder))
    return every_nth(path, model_photos(folder, path, model), config.holdout_every)


def _largest(paths: Sequence[Path]) -> tuple[Path, "Reconstruction"]:
    """The model with the most photos. COLMAP numbers them as they were begun."""
    models = [(path, _read(path)) for path in paths]
    return max(models, key=lambda item: item[1].num_reg_images())


def _read(path: Path) -> "Reconstruction":
    """A model from its three files. What newer ones have beside them, rigs and frames, says of a
    pose what the images say, too."""
    from pycolmap import Reconstruction

    files = _files(path)
    check_lengths(files)
    with TemporaryDirectory() as alone:
        for file in files:
            (Path(alone) / file.name).symlink_to(file.resolve())
        try:
            model = Reconstruction(alone)
        except MemoryError as error:
            raise invalid(f"{path} is broken: it asks for more memory than there is.") from error
        except (RuntimeError, ValueError, IndexError) as error:
            told = f"{path} is not a sparse model that COLMAP can read ({error})."
            raise invalid(told.replace(alone, str(path))) from error
    check_cameras(files[0], [len(camera.params) for camera in model.cameras.values()])
    return model


def model_photos(folder: Path, path: Path, model: "Reconstruction") -> list[Photo]:
    """All photos of a model, in normalised coordinates."""
    images = _posed(path, model)
    if not images:
        raise invalid(f"{path} holds no photo with a pose.")
    poses = np.stack([camera_to_world(image.cam_from_world().matrix()) for image in images])
    _check_poses(path, images, poses)
    place = normalising(poses, _points(model), np.tile(Y_UP, (len(poses), 1)))
    placed = place.poses(poses)
    if not (np.abs(placed) <= LARGEST).all():
        raise invalid(
            f"{path} holds poses too near to each other, or too far: make the model again."
        )
    return [
        _photo(folder, path, image.name, image.camera, pose)
        for image, pose in zip(images, _single(placed), strict=True)
    ]


def _check_poses(path: Path, images: Sequence[Any], poses: NDArray[np.float64]) -> None:
    for image, pose in zip(images, poses, strict=True):
        length = np.linalg.norm(image.cam_from_world().rotation.quat)
        turns = abs(length - 1) < ROTATION_TOLERANCE
        if not (turns and (np.abs(pose) <= LARGEST).all()):
            raise invalid(
                f"{path} holds a pose of {image.name!r} that cannot be, or is too far away: make "
                "the model again."
            )


def _points(model: "Reconstruction") -> NDArray[np.float64]:
    """The points (P, 3), without those that are nowhere: a few stray ones are usual."""
    points = np.array([point.xyz for point in model.points3D.values()]).reshape(-1, 3)
    return points[(np.abs(points) <= LARGEST).all(1)]


def _posed(path: Path, model: "Reconstruction") -> list[Any]:
    """The images of a model that have a pose, by name."""
    posed = [image for image in model.images.values() if image.has_pose]
    try:
        return sorted(posed, key=lambda image: str(image.name))
    except UnicodeDecodeError as error:
        raise invalid(
            f"{path} names a photo by letters that are not UTF-8. Rename the photos, and make the "
            "model again."
        ) from error


def camera_to_world(world_to_camera: NDArray[np.float64]) -> NDArray[np.float64]:
    """COLMAP's (3, 4) to ours."""
    rotation, translation = world_to_camera[:, :3].T, world_to_camera[:, 3]
    with np.errstate(over="ignore", invalid="ignore"):
        return np.concatenate([rotation * OPENGL, -(rotation @ translation)[:, None]], 1)


def _photo(folder: Path, model: Path, name: str, camera: Any, pose: NDArray[np.float32]) -> Photo:
    intrinsics, lens = camera_of(model, camera)
    photo = _find(folder, model, name)
    return Photo(
        path=photo,
        name=name,
        pose=pose,
        intrinsics=intrinsics,
        size=(camera.width, camera.height),
        lens=lens,
        mask=mask_of(folder, photo),
    )


def camera_of(model: Path, camera: Any) -> tuple[NDArray[np.float32], Lens]:
    """fx, fy, cx, cy in pixels (4,), and the lens, of a camera of COLMAP's."""
    kind = camera.model.name
    if kind not in MODELS:
        raise invalid(
            f"{model}: the camera model {kind} is not supported. Supported are "
            f"{', '.join(MODELS)}: undistort the photos with `colmap image_undistorter`."
        )
    own, radial, tangential, fisheye = MODELS[kind]
    params = np.asarray(camera.params, np.float64)
    single = _single(params)
    if not (np.isfinite(single).all() and (single[list(own[:2])] > 0).all()):
        raise invalid(
            f"{model} has a camera whose focal length, or another of its numbers, cannot be: make "
            "the model again."
        )
    k = [*params[list(radial)], *[0.0] * (4 - len(radial))]
    p = params[list(tangential)] if tangential else (0.0, 0.0)
    lens = Lens(fisheye, (k[0], k[1], k[2], k[3]), (float(p[0]), float(p[1])))
    return single[list(own)], lens


def _single(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    """In single precision, in which what is too large is infinite."""
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32)


def _find(folder: Path, model: Path, name: str) -> Path:
    if not is_path(name):
        raise invalid(f"{model} names a photo {name!r}, which cannot be the path of a file.")
    inside = folder.resolve()
    for place in (folder / PHOTOS_DIR, folder):
        path = place / name
        if not path.resolve().is_relative_to(inside):
            raise invalid(f"{model}: {name} lies outside the dataset's folder.")
        if path.is_file():
            return path
    raise invalid(f"{model}: {folder / PHOTOS_DIR / name} is missing. Put the photos there.")
