"""Tiny datasets for tests: a coloured ball on white, seen by cameras around it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lens_reference import Coefficients, unproject
from numpy.typing import NDArray
from PIL import Image

from nerf_contract.reasons import DATASET_INVALID
from nerf_contract.training import PreparedDataset
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.scenes import Background, Scene, load_scene

ANGLE_X = 0.8
DISTANCE = 3.0
RADIUS = 0.9

Document = dict[str, Any]
#: Camera-to-world matrix and width in pixels -> the photo.
Photographer = Callable[[NDArray[np.float64], int], NDArray[np.uint8]]


def pose(k: int, count: int) -> NDArray[np.float64]:
    """Camera k of a ring, looking at the origin: camera-to-world, OpenGL axes."""
    azimuth, elevation = 2 * np.pi * k / count, 0.3 + 0.5 * (k % 3)
    backward = np.array(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ]
    )
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0])
    matrix = np.eye(4)
    matrix[:3, :4] = np.stack([right, np.cross(backward, right), backward, backward * DISTANCE], -1)
    return matrix


def ball(matrix: NDArray[np.float64], width: int) -> NDArray[np.uint8]:
    """RGBA photo of a ball whose colour follows its surface position."""
    focal = 0.5 * width / np.tan(0.5 * ANGLE_X)
    centre = np.arange(width) + 0.5 - width / 2
    x, y = np.meshgrid(centre, -centre)
    return ball_along(matrix, np.stack([x, y, np.full_like(x, -focal)], -1))


def ball_along(matrix: NDArray[np.float64], local: NDArray[np.float64]) -> NDArray[np.uint8]:
    """RGBA (H, W, 4) of the ball along directions in the camera's axes (H, W, 3)."""
    d = local @ matrix[:3, :3].T
    d /= np.linalg.norm(d, axis=-1, keepdims=True)
    o = matrix[:3, 3]
    b = d @ o
    disc = b * b - (o @ o - RADIUS**2)
    p = o + d * (-b - np.sqrt(np.maximum(disc, 0)))[..., None]
    rgba = np.concatenate([0.5 + 0.5 * np.sin(3 * p), np.ones_like(b)[..., None]], -1)
    rgba[disc <= 0] = 0
    pixels: NDArray[np.uint8] = np.round(rgba * 255).astype(np.uint8)
    return pixels


def blender_scene(
    folder: Path, train: int = 8, test: int = 2, width: int = 32, photo: Photographer = ball
) -> Path:
    """A dataset in Blender's format: PNGs, file paths without extension."""
    count = train + test
    for split, numbers in {"train": range(train), "test": range(train, count)}.items():
        (folder / split).mkdir(parents=True, exist_ok=True)
        frames = []
        for k in numbers:
            matrix = pose(k, count)
            Image.fromarray(photo(matrix, width)).save(folder / split / f"r_{k}.png")
            frames.append({"file_path": f"./{split}/r_{k}", "transform_matrix": matrix.tolist()})
        document = {"camera_angle_x": ANGLE_X, "frames": frames}
        (folder / f"transforms_{split}.json").write_text(json.dumps(document))
    return folder


def room(matrix: NDArray[np.float64], width: int) -> NDArray[np.uint8]:
    """RGB photo of the ball in the middle of a large striped sphere: no pixel is empty."""
    inside = ball(matrix, width).astype(np.float64) / 255
    focal = 0.5 * width / np.tan(0.5 * ANGLE_X)
    centre = np.arange(width) + 0.5 - width / 2
    x, y = np.meshgrid(centre, -centre)
    d = np.stack([x, y, np.full_like(x, -focal)], -1) @ matrix[:3, :3].T
    wall = 0.5 + 0.4 * np.sin(5 * d / np.linalg.norm(d, axis=-1, keepdims=True))
    rgb = inside[..., :3] * inside[..., 3:] + wall * (1 - inside[..., 3:])
    pixels: NDArray[np.uint8] = np.round(rgb * 255).astype(np.uint8)
    return pixels


def room_scene(folder: Path, train: int = 8, test: int = 2, width: int = 32) -> Path:
    """An unbounded scene in Blender's format: the ball in front of something far away."""
    return blender_scene(folder, train, test, width, photo=room)


def nerfstudio_document(count: int = 4, width: int = 8) -> Document:
    """A transforms.json whose first frame is held out, with intrinsics in pixels."""
    focal = 0.5 * width / np.tan(0.5 * ANGLE_X)
    frames = [
        {"file_path": f"images/{k}.png", "transform_matrix": pose(k, count).tolist()}
        for k in range(count)
    ]
    centre = {"cx": width / 2, "cy": width / 2}
    split = {"val_filenames": ["images/0.png"]}
    return {"fl_x": focal, "fl_y": focal, **centre, **split, "frames": frames}


def nerfstudio_scene(folder: Path, document: Document | None = None, width: int = 8) -> Path:
    """Write a document and an image for each of its frames."""
    document = document or nerfstudio_document(width=width)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for k, frame in enumerate(document["frames"]):
        pixels = ball(pose(k, len(document["frames"])), width)
        Image.fromarray(pixels).save(folder / frame["file_path"])
    (folder / "transforms.json").write_text(json.dumps(document))
    return folder


def distorted_scene(folder: Path, lens: Coefficients, focal: float, width: int = 24) -> Path:
    """A nerfstudio dataset of the ball on black, taken through a lens that distorts."""
    document = nerfstudio_document(width=width)
    document |= {"fl_x": focal, "fl_y": focal, **lens.fields()}
    plane = (np.arange(width) + 0.5 - width / 2) / focal
    opencv = np.array([[unproject(x, y, lens) for x in plane] for y in plane])
    nerfstudio_scene(folder, document, width)
    for k, frame in enumerate(document["frames"]):
        pixels = ball_along(pose(k, len(document["frames"])), opencv * [1, -1, -1])
        Image.fromarray(pixels[..., :3]).save(folder / frame["file_path"])
    return folder


def add_mask(folder: Path, frame: int, used: NDArray[np.bool_]) -> Path:
    """Give a frame of a nerfstudio dataset a mask (H, W), white where it is used."""
    (folder / "masks").mkdir(exist_ok=True)
    path = folder / "masks" / f"{frame}.png"
    Image.fromarray(used.astype(np.uint8) * 255).save(path)
    rewrite(folder, lambda d: d["frames"][frame].update(mask_path=f"masks/{frame}.png"))
    return path


def rewrite(folder: Path, change: Callable[[Document], object]) -> None:
    """Change the document of a nerfstudio dataset."""
    path = folder / "transforms.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def load(folder: Path, background: Background = "white", **fields: Any) -> Scene:
    """Load a dataset; fields: of its PreparedDataset."""
    return load_scene(PreparedDataset(**fields), folder, background)


def refusal(folder: Path, **fields: Any) -> str:
    """What is said about a dataset that cannot be used."""
    with pytest.raises(TrainerFailure) as caught:
        load(folder, **fields)
    assert caught.value.reason == DATASET_INVALID
    return caught.value.message
