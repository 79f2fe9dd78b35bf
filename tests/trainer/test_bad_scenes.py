"""Datasets: what is said about wrong ones."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scene_files import (
    blender_scene,
    load,
    nerfstudio_document,
    nerfstudio_scene,
    pose,
    refusal,
    rewrite,
)

Change = Callable[[Path], object]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: (f / "images/2.png").unlink(), ["2.png is missing", "remove its frame"]),
        (lambda f: (f / "images/2.png").write_text("hello"), ["2.png is not an image"]),
        (
            lambda f: Image.new("RGB", (5, 6)).save(f / "images/2.png"),
            ["2.png has 5x6 pixels", "8x8", "one size"],
        ),
        (
            lambda f: (f / "transforms.json").write_text("{"),
            ["transforms.json is not JSON: ", "line 1"],
        ),
        (lambda f: (f / "transforms.json").write_text("[]"), ["list `frames`"]),
        (lambda f: (f / "transforms.json").write_bytes(b"\xff\xfe"), ["is not UTF-8"]),
        (lambda f: rewrite(f, lambda d: d.update(frames=[])), ["lists no frames"]),
        (
            lambda f: rewrite(f, lambda d: d.update(frames=d["frames"][:1], val_filenames=[])),
            ["lists one photo"],
        ),
        (
            lambda f: rewrite(f, lambda d: d["frames"].append(d["frames"][2])),
            ["lists images/2.png more than once"],
        ),
        (
            lambda f: rewrite(f, lambda d: d["frames"][0].update(file_path="./images/1.png")),
            ["lists images/1.png more than once"],
        ),
        (lambda f: rewrite(f, lambda d: d["frames"][1].pop("file_path")), ["frame 1", "file_path"]),
        (lambda f: rewrite(f, lambda d: d.pop("fl_x")), ["fl_x", "camera_angle_x"]),
        (lambda f: rewrite(f, lambda d: d.update(fl_x=-3)), ["fl_x", "greater than 0"]),
        (lambda f: rewrite(f, lambda d: d.update(fl_x="long")), ["fl_x", "finite number", "long"]),
        (lambda f: rewrite(f, lambda d: d.pop("cx")), ["neither cx nor w"]),
        (
            lambda f: rewrite(f, lambda d: d.update(w=16, h=16)),
            ["1.png has 8x8 pixels", "w 16 and h 16"],
        ),
        (
            lambda f: rewrite(f, lambda d: d["frames"][1].update(transform_matrix=[[1, 2]])),
            ["transform_matrix of images/1.png", "4 rows"],
        ),
        (
            lambda f: rewrite(
                f, lambda d: d["frames"][1]["transform_matrix"][0].__setitem__(0, float("nan"))
            ),
            ["transform_matrix of images/1.png", "not finite"],
        ),
        (
            lambda f: rewrite(f, lambda d: d["frames"][1].update(file_path="../../etc/passwd")),
            ["lies outside"],
        ),
        (
            lambda f: rewrite(f, lambda d: d.update(val_filenames=["images/9.png"])),
            ["val_filenames names images/9.png"],
        ),
        (
            lambda f: rewrite(
                f, lambda d: d.update(val_filenames=[x["file_path"] for x in d["frames"]])
            ),
            ["every photo is held out"],
        ),
    ],
)
def test_wrong_datasets_are_explained(tmp_path: Path, change: Change, words: list[str]) -> None:
    change(nerfstudio_scene(tmp_path))
    message = refusal(tmp_path)
    for word in words:
        assert word in message


ROTATION = np.array(pose(1, 4))[:3, :3]


@pytest.mark.parametrize(
    "turn",
    [
        np.zeros((3, 3)),
        ROTATION * [1, 1, -1],  # mirrors
        ROTATION[:, [0, 0, 2]],  # two axes in one line
        ROTATION * [1, 1, 1.1],  # stretches
        ROTATION + np.eye(3) * 0.1,
    ],
)
def test_a_pose_that_is_no_rotation(tmp_path: Path, turn: NDArray[np.float64]) -> None:
    document = nerfstudio_document()
    document["frames"][1]["transform_matrix"] = [[*row, 1.0] for row in turn.tolist()]
    message = refusal(nerfstudio_scene(tmp_path, document))
    assert "transform_matrix of images/1.png" in message
    assert "not a rotation" in message


def test_the_scale_of_a_pose_and_rounded_numbers_do_not_matter(tmp_path: Path) -> None:
    document = nerfstudio_document()
    turn = np.round(ROTATION, 3) * 2.5
    document["frames"][1]["transform_matrix"] = [[*row, 1.0] for row in turn.tolist()]
    assert len(load(nerfstudio_scene(tmp_path, document)).train) == 3


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
@pytest.mark.parametrize("row", [0, 2])
def test_a_pose_that_is_not_finite(tmp_path: Path, value: float, row: int) -> None:
    document = nerfstudio_document()
    document["frames"][3]["transform_matrix"][row][3] = value
    message = refusal(nerfstudio_scene(tmp_path, document))
    assert "transform_matrix of images/3.png holds a number that is not finite" in message


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"camera_model": "EQUIRECTANGULAR"}, ["'EQUIRECTANGULAR' of images/1.png", "PINHOLE, "]),
        ({"camera_model": ["OPENCV"]}, ["images/1.png is not supported", "OPENCV_FISHEYE"]),
        ({"camera_model": "PINHOLE", "k1": 0.1}, ["images/1.png has k1 0.1", "no distortion"]),
        ({"camera_model": "SIMPLE_RADIAL", "k2": 0.1}, ["has k2 0.1", "SIMPLE_RADIAL has k1."]),
        ({"k4": 0.1}, ["images/1.png has k4 0.1", "OPENCV has k1, k2, k3, p1, p2"]),
        ({"camera_model": "OPENCV_FISHEYE", "p1": 0.1}, ["has p1 0.1", "has k1, k2, k3, k4"]),
        ({"camera_model": "OPENCV_FISHEYE", "fl_x": None, "camera_angle_x": 1}, ["has no fl_x"]),
        ({"k1": float("nan")}, ["k1 of images/1.png must be a finite number"]),
        ({"k1": "strong"}, ["k1 of images/1.png must be a finite number", "strong"]),
    ],
)
def test_a_lens_that_is_not_understood(
    tmp_path: Path, fields: dict[str, Any], words: list[str]
) -> None:
    document = nerfstudio_document()
    document["frames"][1] |= fields
    message = refusal(nerfstudio_scene(tmp_path, document))
    for word in words:
        assert word in message


def test_a_photo_of_another_size_is_told_before_any_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blender_scene(tmp_path)
    Image.new("RGB", (5, 6)).save(tmp_path / "test/r_9.png")
    decoder = "nerf_trainer.scenes.images.premultiplied"
    monkeypatch.setattr(decoder, lambda *_: pytest.fail("decoded"))
    assert "r_9.png has 5x6 pixels" in refusal(tmp_path)


def test_a_photo_of_16_bits_is_not_cut_off_in_silence(tmp_path: Path) -> None:
    blender_scene(tmp_path)
    deep = np.full((32, 32), 40_000, np.uint16)
    Image.fromarray(deep).save(tmp_path / "train/r_1.png")
    message = refusal(tmp_path)
    assert "r_1.png has more than 8 bits" in message
    assert "Convert" in message


def test_a_photo_with_too_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nerfstudio_scene(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    message = refusal(tmp_path)
    assert "1.png has more than 40 pixels" in message
    assert "Shrink" in message


def test_photos_that_show_nothing(tmp_path: Path) -> None:
    folder = nerfstudio_scene(tmp_path)
    for k in (1, 2, 3):
        Image.new("RGBA", (8, 8)).save(folder / f"images/{k}.png")
    message = refusal(folder)
    assert "1.png and all photos beside it are fully transparent" in message
    Image.new("RGBA", (8, 8), (0, 0, 0, 1)).save(folder / "images/2.png")
    assert len(load(folder).train) == 3


def test_a_blender_dataset_that_holds_out_nothing(tmp_path: Path) -> None:
    blender_scene(tmp_path, test=0)
    assert "transforms_test.json lists no frames" in refusal(tmp_path)


def test_a_missing_folder(tmp_path: Path) -> None:
    assert "nowhere is missing" in refusal(tmp_path, path="nowhere")


def test_an_empty_folder(tmp_path: Path) -> None:
    assert "is empty" in refusal(tmp_path)


def test_a_folder_without_transforms(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    assert "holds no transforms.json or transforms_train.json or" in refusal(tmp_path)


def test_a_folder_of_the_other_format(tmp_path: Path) -> None:
    nerfstudio_scene(tmp_path)
    assert "holds no transforms_train.json" in refusal(tmp_path, format="blender")


def test_a_downscale_beyond_the_photo(tmp_path: Path) -> None:
    assert "dataset.downscale 9" in refusal(nerfstudio_scene(tmp_path), downscale=9)


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_an_unreadable_transforms_file(tmp_path: Path) -> None:
    (nerfstudio_scene(tmp_path) / "transforms.json").chmod(0)
    assert "chmod a+r" in refusal(tmp_path)


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_an_unreadable_photo(tmp_path: Path) -> None:
    (nerfstudio_scene(tmp_path) / "images/1.png").chmod(0)
    assert "1.png" in refusal(tmp_path)
