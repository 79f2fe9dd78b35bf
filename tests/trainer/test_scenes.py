"""Datasets: what is read from them."""

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scene_files import blender_scene, load, nerfstudio_document, nerfstudio_scene, rewrite

from nerf_contract.training import PreparedDataset
from nerf_trainer.scenes import SETTLE_SECONDS, load_scene, wait_for_dataset
from nerf_trainer.scenes.nerfstudio import every_nth
from nerf_trainer.scenes.shrink import averaged, shrink
from nerf_trainer.scenes.types import Photo


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
    assert scene.held_out.names == ("./train/r_1", "./train/r_3")
    assert scene.train.names == ("./train/r_0", "./train/r_2", "./train/r_4")


def test_transparent_pixels_show_the_background(tmp_path: Path) -> None:
    blender_scene(tmp_path)
    assert (load(tmp_path, "white").train.images[:, 0, 0] == 255).all()
    assert (load(tmp_path, "black").train.images[:, 0, 0] == 0).all()


def test_nerfstudio_holds_out_every_nth(tmp_path: Path) -> None:
    document = nerfstudio_document()
    del document["val_filenames"]
    scene = load(nerfstudio_scene(tmp_path, document), holdout_every=3)
    assert scene.held_out.names == ("images/1.png",)
    assert scene.train.names == ("images/0.png", "images/2.png", "images/3.png")


@pytest.mark.parametrize(
    ("photos", "every", "held_out"), [(2, 8, [1]), (5, 8, [2]), (11, 4, [2, 6, 10])]
)
def test_the_first_photo_is_never_held_out(photos: int, every: int, held_out: list[int]) -> None:
    everything = [
        Photo(Path(), f"{i:02d}", np.eye(3, 4, dtype=np.float32), None) for i in range(photos)
    ]
    train, held = every_nth(Path("list"), everything, every)
    assert [int(photo.name) for photo in held] == held_out
    assert len(train) == photos - len(held)


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
    scene = load(nerfstudio_scene(tmp_path, document))
    np.testing.assert_allclose(scene.train.intrinsics[0], [5, 6, 1, 2])


def test_downscale_shrinks_photos_and_intrinsics(tmp_path: Path) -> None:
    nerfstudio_scene(tmp_path)
    whole, half = load(tmp_path).train, load(tmp_path, downscale=2).train
    assert half.images.shape[1:3] == (4, 4)
    np.testing.assert_allclose(half.intrinsics, whole.intrinsics / 2)


def test_blocks_are_averaged_and_the_rest_is_cut() -> None:
    image = np.arange(15, dtype=np.uint8).reshape(3, 5)
    assert averaged(Image.fromarray(image), 2).tolist() == [[3, 5]]


def test_waits_for_a_dataset_that_is_being_uploaded(tmp_path: Path) -> None:
    sleeps: list[float] = []

    def upload(seconds: float) -> None:
        sleeps.append(seconds)
        if len(sleeps) == 2:
            nerfstudio_scene(tmp_path)

    scene = load_scene(PreparedDataset(wait_seconds=60), tmp_path, "white", sleep=upload)
    assert len(scene.train) == 3
    assert len(sleeps) == 2


def test_photos_that_are_waited_for_are_complete_once_no_more_come(tmp_path: Path) -> None:
    sleeps: list[float] = []

    def copy(seconds: float) -> None:
        sleeps.append(seconds)
        if len(sleeps) <= 8:
            (tmp_path / f"{len(sleeps)}.jpg").write_bytes(b"x")
        elif len(sleeps) <= 11:
            with (tmp_path / "8.jpg").open("ab") as last:
                last.write(b"more of it")

    (tmp_path / "0.jpg").write_bytes(b"x")
    wait_for_dataset(tmp_path, PreparedDataset(wait_seconds=60), sleep=copy)
    assert sum(sleeps) == 11 + SETTLE_SECONDS


def test_photos_that_are_not_waited_for_are_taken_at_once(tmp_path: Path) -> None:
    (tmp_path / "0.jpg").write_bytes(b"x")
    wait_for_dataset(tmp_path, PreparedDataset(), sleep=lambda _: pytest.fail("it waits"))


def test_a_downscale_that_does_not_divide_keeps_the_field_of_view(tmp_path: Path) -> None:
    blender_scene(tmp_path, width=33)
    whole, half = load(tmp_path).train, load(tmp_path, downscale=2).train
    assert half.images.shape[1:3] == (16, 16)
    np.testing.assert_allclose(half.intrinsics, whole.intrinsics / 2)


def test_names_to_train_on_are_kept_where_none_to_hold_out_are_listed(tmp_path: Path) -> None:
    document = nerfstudio_document()
    document |= {"train_filenames": ["images/0.png", "images/3.png"], "val_filenames": []}
    scene = load(nerfstudio_scene(tmp_path, document))
    assert scene.held_out.names == ("images/3.png",)
    assert scene.train.names == ("images/0.png",)


def test_a_photo_in_both_lists_is_not_trained_on(tmp_path: Path) -> None:
    document = nerfstudio_document()
    document["train_filenames"] = [f"images/{k}.png" for k in range(4)]
    document["val_filenames"] = ["images/2.png"]
    scene = load(nerfstudio_scene(tmp_path, document))
    assert scene.train.names == ("images/0.png", "images/1.png", "images/3.png")
    assert scene.held_out.names == ("images/2.png",)


def test_a_random_background_is_left_to_the_training(tmp_path: Path) -> None:
    blender_scene(tmp_path)
    white, black, random = (load(tmp_path, b) for b in ("white", "black", "random"))
    assert white.train.alpha is None
    assert black.train.alpha is None
    assert random.train.alpha is not None
    np.testing.assert_array_equal(random.train.images, black.train.images)
    over = random.train.images.astype(int) + (255 - random.train.alpha[..., None].astype(int))
    assert np.abs(over - white.train.images).max() <= 1
    assert random.held_out.alpha is None
    np.testing.assert_array_equal(random.held_out.images, white.held_out.images)


def test_opaque_photos_need_no_alpha(tmp_path: Path) -> None:
    folder = nerfstudio_scene(tmp_path)
    for path in (folder / "images").iterdir():
        Image.open(path).convert("RGB").save(path)
    assert load(folder, "random").train.alpha is None


def test_a_camera_without_distortion_is_a_pinhole_whatever_its_model(tmp_path: Path) -> None:
    for model in ("PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV"):
        document = nerfstudio_document() | {"camera_model": model, "k1": 0.0, "p2": 0}
        assert load(nerfstudio_scene(tmp_path, document)).train.lenses is None


def test_each_frame_may_have_a_lens_of_its_own(tmp_path: Path) -> None:
    document = nerfstudio_document() | {"camera_model": "OPENCV", "k1": 0.1, "p2": 0.01}
    document["frames"][2] |= {"camera_model": "OPENCV_FISHEYE", "p2": 0, "k4": 0.02}
    whole = load(nerfstudio_scene(tmp_path, document)).train
    half = load(tmp_path, downscale=2).train
    assert whole.lenses is not None
    assert whole.lenses.fisheye.tolist() == [False, True, False]
    assert whole.lenses.k.tolist() == [[0.1, 0, 0, 0], [0.1, 0, 0, 0.02], [0.1, 0, 0, 0]]
    assert whole.lenses.p.tolist() == [[0, 0.01], [0, 0], [0, 0.01]]
    assert half.lenses is not None
    np.testing.assert_array_equal(half.lenses.k, whole.lenses.k)


@pytest.mark.parametrize(("background", "grey"), [("white", 255), ("black", 0)])
def test_transparent_photos_are_flattened_before_they_shrink(
    background: str, grey: int, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 12, 4), dtype=np.uint8)
    blender_scene(tmp_path, width=12, photo=lambda matrix, width: pixels)
    loaded = load(tmp_path, background, downscale=3).train.images[0]
    colours, opacity = pixels[..., :3].astype(float), pixels[..., 3:] / 255
    flat = colours * opacity + grey * (1 - opacity)
    expected = flat.reshape(4, 3, 4, 3, 3).mean((1, 3))
    np.testing.assert_allclose(loaded, expected, rtol=0, atol=1.2)


def test_loading_makes_no_float_copies_of_all_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 photos of 256x256: 8 MB as kept, 31 MB as floats."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    blender_scene(tmp_path, train=40, test=1, width=256)
    tracemalloc.start()
    try:
        scene = load(tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - scene.train.images.nbytes < 15e6


def test_shrinking_loaded_views_is_loading_them_shrunk(tmp_path: Path) -> None:
    folder = nerfstudio_scene(tmp_path, width=11)
    rewrite(folder, lambda d: d.update(k1=0.01))
    for path in (folder / "images").iterdir():
        Image.open(path).convert("RGB").save(path)
    shrunk, loaded = shrink(load(folder).train, 3), load(folder, downscale=3).train
    np.testing.assert_array_equal(shrunk.images, loaded.images)
    np.testing.assert_allclose(shrunk.intrinsics, loaded.intrinsics, rtol=1e-6)
    assert shrunk.names == loaded.names
    assert shrunk.images.dtype == np.uint8
