"""Datasets: what is read from them, and what is said about wrong ones."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scene_files import blender_scene, nerfstudio_document, nerfstudio_scene

from nerf_contract.reasons import DATASET_INVALID
from nerf_contract.training import DatasetConfig
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.scenes import Scene, load_scene
from nerf_trainer.scenes.images import box_filter

Change = Callable[[Path], object]


def load(folder: Path, background: float = 1.0, **fields: Any) -> Scene:
    return load_scene(DatasetConfig(**fields), folder, background)


def refusal(folder: Path, **fields: Any) -> str:
    with pytest.raises(TrainerFailure) as caught:
        load(folder, **fields)
    assert caught.value.reason == DATASET_INVALID
    return caught.value.message


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "transforms.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


# --- Right input ----------------------------------------------------------------------------------


def test_blender_split_and_field_of_view(tmp_path: Path) -> None:
    scene = load(blender_scene(tmp_path, train=5, test=2, width=16))
    assert len(scene.train) == 5
    assert len(scene.held_out) == 2
    assert scene.train.images.shape == (5, 16, 16, 3)
    focal = 8 / np.tan(0.4)
    np.testing.assert_allclose(scene.train.intrinsics[0], [focal, focal, 8, 8], rtol=1e-6)


def test_blender_without_test_or_val_holds_out_every_nth(tmp_path: Path) -> None:
    blender_scene(tmp_path, train=5)
    (tmp_path / "transforms_test.json").unlink()
    scene = load(tmp_path, holdout_every=2)
    assert scene.held_out.names == ("./train/r_0", "./train/r_2", "./train/r_4")
    assert scene.train.names == ("./train/r_1", "./train/r_3")


def test_transparent_pixels_show_the_background(tmp_path: Path) -> None:
    blender_scene(tmp_path)
    assert (load(tmp_path, 1.0).train.images[:, 0, 0] == 255).all()
    assert (load(tmp_path, 0.0).train.images[:, 0, 0] == 0).all()


def test_nerfstudio_holds_out_every_nth(tmp_path: Path) -> None:
    scene = load(nerfstudio_scene(tmp_path), holdout_every=3)
    assert scene.held_out.names == ("images/0.png", "images/3.png")
    assert scene.train.names == ("images/1.png", "images/2.png")


def test_nerfstudio_lists_decide_the_split(tmp_path: Path) -> None:
    document = nerfstudio_document()
    document["train_filenames"] = ["images/0.png", "images/3.png"]
    document["val_filenames"] = ["images/1.png"]
    scene = load(nerfstudio_scene(tmp_path, document))
    assert scene.train.names == ("images/0.png", "images/3.png")
    assert scene.held_out.names == ("images/1.png",)


def test_intrinsics_of_a_frame_override_those_of_the_file(tmp_path: Path) -> None:
    document = nerfstudio_document()
    document["frames"][1] |= {"fl_x": 5.0, "fl_y": 6.0, "cx": 1.0, "cy": 2.0}
    scene = load(nerfstudio_scene(tmp_path, document), holdout_every=4)
    np.testing.assert_allclose(scene.train.intrinsics[0], [5, 6, 1, 2])


def test_downscale_shrinks_photos_and_intrinsics(tmp_path: Path) -> None:
    nerfstudio_scene(tmp_path)
    whole, half = load(tmp_path).train, load(tmp_path, downscale=2).train
    assert half.images.shape[1:3] == (4, 4)
    np.testing.assert_allclose(half.intrinsics, whole.intrinsics / 2)


def test_box_filter_averages_blocks_and_cuts_the_rest() -> None:
    image = np.arange(15, dtype=np.float32).reshape(3, 5, 1)
    assert box_filter(image, 2)[..., 0].tolist() == [[3.0, 5.0]]


def test_waits_for_a_dataset_that_is_being_uploaded(tmp_path: Path) -> None:
    sleeps: list[float] = []

    def upload(seconds: float) -> None:
        sleeps.append(seconds)
        if len(sleeps) == 2:
            nerfstudio_scene(tmp_path)

    scene = load_scene(DatasetConfig(wait_seconds=60), tmp_path, 1.0, sleep=upload)
    assert len(scene.train) == 3
    assert len(sleeps) == 2


# --- Wrong input ----------------------------------------------------------------------------------


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
        (lambda f: rewrite(f, lambda d: d.update(frames=d["frames"][:1])), ["lists one photo"]),
        (lambda f: rewrite(f, lambda d: d["frames"][1].pop("file_path")), ["frame 1", "file_path"]),
        (lambda f: rewrite(f, lambda d: d.pop("fl_x")), ["fl_x", "camera_angle_x"]),
        (lambda f: rewrite(f, lambda d: d.update(fl_x=-3)), ["fl_x", "greater than 0"]),
        (lambda f: rewrite(f, lambda d: d.update(fl_x="long")), ["fl_x", "finite number", "long"]),
        (lambda f: rewrite(f, lambda d: d.pop("cx")), ["neither cx nor w"]),
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


def test_a_missing_folder(tmp_path: Path) -> None:
    assert "nowhere is missing" in refusal(tmp_path, path="nowhere")


def test_an_empty_folder(tmp_path: Path) -> None:
    assert "is empty" in refusal(tmp_path)


def test_a_folder_without_transforms(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    assert "holds no transforms.json or transforms_train.json" in refusal(tmp_path)


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
