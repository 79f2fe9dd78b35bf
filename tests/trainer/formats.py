"""One scene, the same photos and poses, in every format that is read."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scene_files import ANGLE_X, ball, pose

from nerf_contract import names

COUNT, WIDTH = 8, 16
FOCAL = 0.5 * WIDTH / np.tan(0.5 * ANGLE_X)
POSES = "0123456789abcdef"
#: Held out by all formats: every fourth, from the third on.
HOLDOUT_EVERY, FIRST = 4, 2


def poses() -> list[NDArray[np.float64]]:
    """Camera-to-world matrices (4, 4)."""
    return [pose(k, COUNT) for k in range(COUNT)]


def write_photos(folder: Path) -> list[str]:
    """The photos in `folder/images`: names relative to it."""
    (folder / "images").mkdir(parents=True)
    for k, matrix in enumerate(poses()):
        Image.fromarray(ball(matrix, WIDTH)).save(folder / "images" / f"{k:02d}.png")
    return [f"{k:02d}.png" for k in range(COUNT)]


def _frames(files: list[str]) -> list[dict[str, object]]:
    pairs = zip(files, poses(), strict=True)
    return [{"file_path": file, "transform_matrix": matrix.tolist()} for file, matrix in pairs]


def _document(files: list[str]) -> dict[str, object]:
    intrinsics = {"fl_x": FOCAL, "fl_y": FOCAL, "cx": WIDTH / 2, "cy": WIDTH / 2}
    return {**intrinsics, "frames": _frames(files)}


def nerfstudio(folder: Path) -> None:
    """transforms.json."""
    files = [f"images/{name}" for name in write_photos(folder)]
    (folder / "transforms.json").write_text(json.dumps(_document(files)))


def blender(folder: Path) -> None:
    """transforms_train.json and transforms_test.json, with the split that others make."""
    frames = _frames([f"./images/{name[:-4]}" for name in write_photos(folder)])
    parts = {
        "train": [f for i, f in enumerate(frames) if i % HOLDOUT_EVERY != FIRST],
        "test": frames[FIRST::HOLDOUT_EVERY],
    }
    for part, listed in parts.items():
        document = {"camera_angle_x": ANGLE_X, "frames": listed}
        (folder / f"transforms_{part}.json").write_text(json.dumps(document))


def photos(folder: Path) -> None:
    """Plain photos, and poses as the poses stage leaves them."""
    files = [f"images/{name}" for name in write_photos(folder)]
    place = folder / names.POSES_DIR / POSES
    place.mkdir(parents=True)
    (place / "transforms.json").write_text(json.dumps(_document(files)))


def colmap_text(folder: Path) -> None:
    """A sparse model as text; a smaller one, with the first two photos, was begun before it."""
    files = write_photos(folder)
    for number, chosen in enumerate((files[:2], files)):
        write_model(folder / "sparse" / str(number), chosen)


def write_model(folder: Path, files: list[str]) -> None:
    """cameras.txt, images.txt and points3D.txt of the first photos, and some points of the ball."""
    folder.mkdir(parents=True)
    camera = f"1 PINHOLE {WIDTH} {WIDTH} {FOCAL} {FOCAL} {WIDTH / 2} {WIDTH / 2}\n"
    (folder / "cameras.txt").write_text(camera)
    images = [_image_lines(i, f, m) for i, (f, m) in enumerate(zip(files, poses()), 1)]  # noqa: B905
    (folder / "images.txt").write_text("".join(images))
    points = [_point_line(i, at) for i, at in enumerate(surface(), 1)]
    (folder / "points3D.txt").write_text("".join(points))


def _image_lines(number: int, file: str, matrix: NDArray[np.float64]) -> str:
    rotation, moved = world_to_camera(matrix)
    values = [*quaternion(rotation), *moved]
    return f"{number} {' '.join(f'{v:.17g}' for v in values)} 1 {file}\n\n"


def world_to_camera(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """COLMAP's rotation (3, 3) and translation (3,) of a pose."""
    rotation = (matrix[:3, :3] * [1, -1, -1]).T
    return rotation, -rotation @ matrix[:3, 3]


def _point_line(number: int, at: NDArray[np.float64]) -> str:
    return f"{number} {' '.join(f'{v:.17g}' for v in at)} 200 100 50 0.5\n"


def surface() -> NDArray[np.float64]:
    """Points (64, 3) evenly on the ball."""
    k = np.arange(64) + 0.5
    z, turn = 1 - k / 32, k * np.pi * (3 - np.sqrt(5))
    flat = np.sqrt(1 - z * z)
    return 0.9 * np.stack([flat * np.cos(turn), flat * np.sin(turn), z], -1)


def quaternion(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """w, x, y, z (4,) of a rotation (3, 3), by its eigenvector (Bar-Itzhack 2000)."""
    (a, b, c), (d, e, f), (g, h, i) = rotation
    matrix = np.array(
        [
            [a - e - i, d + b, g + c, h - f],
            [d + b, e - a - i, h + f, c - g],
            [g + c, h + f, i - a - e, d - b],
            [h - f, c - g, d - b, a + e + i],
        ]
    )
    x, y, z, w = np.linalg.eigh(matrix)[1][:, -1]
    return np.array([w, x, y, z])


def colmap_binary(folder: Path) -> None:
    """The same model, as COLMAP writes it by default."""
    import pycolmap

    colmap_text(folder)
    for model in (folder / "sparse").iterdir():
        pycolmap.Reconstruction(model).write_binary(model)
        for text in model.glob("*.txt"):
            text.unlink()


def llff(folder: Path) -> None:
    """poses_bounds.npy, in coordinates of another size and with another middle."""
    write_photos(folder)
    rows = [llff_row(matrix) for matrix in poses()]
    np.save(folder / "poses_bounds.npy", np.stack(rows))


def llff_row(matrix: NDArray[np.float64], scale: float = 3.0) -> NDArray[np.float64]:
    """A row (17,): the ball is all that the camera sees."""
    right, up, back, place = matrix[:3].T
    size = [WIDTH, WIDTH, FOCAL]
    columns = np.stack([-up, right, back, place * scale + [5, 0, -2], size], -1)
    distance = np.linalg.norm(place)
    return np.array([*columns.ravel(), (distance - 0.9) * scale, (distance + 0.9) * scale])


FORMATS: dict[str, Callable[[Path], None]] = {
    "nerfstudio": nerfstudio,
    "blender": blender,
    "photos": photos,
    "colmap-text": colmap_text,
    "colmap-binary": colmap_binary,
    "llff": llff,
}
