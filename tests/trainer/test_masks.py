"""Masks: which pixels they leave, and what is said about wrong ones."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scene_files import add_mask, blender_scene, load, nerfstudio_scene, refusal, rewrite

from nerf_trainer.scenes.shrink import shrink, whole_blocks

Change = Callable[[Path], object]

ALL = np.ones((8, 8), np.bool_)


def without(row: int, column: int) -> np.ndarray:
    used = ALL.copy()
    used[row, column] = False
    return used


def test_white_is_used_and_photos_without_a_mask_are_used_whole(tmp_path: Path) -> None:
    folder = nerfstudio_scene(tmp_path)
    add_mask(folder, 2, without(3, 5))
    scene = load(folder)
    assert scene.train.usable is not None
    np.testing.assert_array_equal(scene.train.usable, [ALL, without(3, 5), ALL])
    assert scene.train.usable.dtype == np.bool_
    assert scene.held_out.usable is None


def test_a_held_out_photo_may_have_a_mask(tmp_path: Path) -> None:
    folder = nerfstudio_scene(tmp_path)
    add_mask(folder, 0, without(0, 0))
    scene = load(folder)
    assert scene.train.usable is None
    assert scene.held_out.usable is not None
    np.testing.assert_array_equal(scene.held_out.usable, [without(0, 0)])


def test_masks_in_blenders_format_and_without_extension(tmp_path: Path) -> None:
    blender_scene(tmp_path, width=8)
    Image.fromarray(without(1, 1)).save(tmp_path / "mask.png")
    path = tmp_path / "transforms_train.json"
    document = json.loads(path.read_text())
    document["frames"][0]["mask_path"] = "mask"
    path.write_text(json.dumps(document))
    usable = load(tmp_path).train.usable
    assert usable is not None
    np.testing.assert_array_equal(usable[0], without(1, 1))


def test_a_transforms_file_may_tell_how_a_mask_is_turned(tmp_path: Path) -> None:
    folder = nerfstudio_scene(tmp_path)
    add_mask(folder, 1, without(0, 5))
    rewrite(folder, lambda d: d["frames"][1].update(orientation=1, mask_orientation=3))
    usable = load(folder).train.usable
    assert usable is not None
    np.testing.assert_array_equal(usable[0], without(7, 2))
    rewrite(folder, lambda d: d["frames"][1].update(mask_orientation=9))
    assert "mask_orientation of" in refusal(folder)


def test_grey_from_the_middle_on_is_white(tmp_path: Path) -> None:
    folder = nerfstudio_scene(tmp_path)
    path = add_mask(folder, 1, ALL)
    Image.fromarray(np.full((8, 8, 3), [[[127] * 3], [[128] * 3]] * 4, np.uint8)).save(path)
    usable = load(folder).train.usable
    assert usable is not None
    assert usable[0].all(1).tolist() == [False, True] * 4


def test_a_shrunk_pixel_counts_if_all_that_it_is_made_of_does(tmp_path: Path) -> None:
    folder = nerfstudio_scene(tmp_path)
    add_mask(folder, 1, without(5, 2))
    expected = np.ones((4, 4), np.bool_)
    expected[2, 1] = False
    loaded, shrunk = load(folder, downscale=2).train, shrink(load(folder).train, 2)
    for usable in (loaded.usable, shrunk.usable):
        assert usable is not None
        np.testing.assert_array_equal(usable[0], expected)


def test_blocks_of_sizes_that_do_not_divide() -> None:
    used = np.ones((5, 7), np.bool_)
    used[4, 6] = used[0, 0] = False
    assert whole_blocks(used, 2).tolist() == [[False, True, True], [True, True, True]]


def test_pixels_beyond_the_reach_of_a_lens_are_not_used(tmp_path: Path) -> None:
    """With k1 = -1.2 no ray leads farther from the axis than 0.351 of the focal length."""
    folder = nerfstudio_scene(tmp_path)
    rewrite(folder, lambda d: d.update(k1=-1.2))
    usable = load(folder).train.usable
    focal = 4 / np.tan(0.4)
    centre = (np.arange(8) + 0.5 - 4) / focal
    expected = np.hypot(*np.meshgrid(centre, centre)) < 2 / 3 / np.sqrt(3 * 1.2)
    assert usable is not None
    assert 0 < expected.sum() < 64
    np.testing.assert_array_equal(usable, np.stack([expected] * 3))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda f: (f / "masks/1.png").unlink(),
            ["masks/1.png is missing", "remove its mask_path"],
        ),
        (lambda f: (f / "masks/1.png").write_text("hello"), ["masks/1.png is not an image"]),
        (
            lambda f: Image.new("L", (8, 9), 255).save(f / "masks/1.png"),
            ["masks/1.png has 8x9 pixels", "its photo", "images/1.png has 8x8"],
        ),
        (
            lambda f: Image.new("L", (8, 8), 1).save(f / "masks/1.png"),
            ["masks/1.png leaves no pixel of", "images/1.png", "White (255)"],
        ),
        (
            lambda f: rewrite(f, lambda d: d["frames"][1].update(mask_path="../../mask.png")),
            ["mask.png lies outside"],
        ),
        (
            lambda f: rewrite(f, lambda d: d["frames"][1].update(mask_path=3)),
            ["mask_path of images/1.png must be a text, not 3"],
        ),
    ],
)
def test_wrong_masks_are_explained(tmp_path: Path, change: Change, words: list[str]) -> None:
    folder = nerfstudio_scene(tmp_path)
    add_mask(folder, 1, ALL)
    change(folder)
    message = refusal(folder)
    for word in words:
        assert word in message


def test_a_mask_that_leaves_no_whole_block(tmp_path: Path) -> None:
    folder = nerfstudio_scene(tmp_path)
    add_mask(folder, 1, np.indices((8, 8)).sum(0) % 2 == 0)
    assert load(folder).train.usable is not None
    assert "masks/1.png leaves no pixel" in refusal(folder, downscale=2)
