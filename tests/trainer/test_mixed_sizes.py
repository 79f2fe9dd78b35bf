"""Photos of several sizes in one scene."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scene_files import load, nerfstudio_document, nerfstudio_scene, refusal, rewrite

from nerf_trainer.scenes.fitting import Fit, Sizes, fits

COMMON = 8


def mixed(folder: Path, size: tuple[int, int], **fields: Any) -> Path:
    """A dataset whose photo 2 has another size and intrinsics than the three others."""
    nerfstudio_scene(folder, nerfstudio_document(width=COMMON), COMMON)
    pixels = np.arange(size[0] * size[1] * 3, dtype=np.uint8).reshape(size[1], size[0], 3)
    Image.fromarray(pixels).save(folder / "images/2.png")
    own = {"w": size[0], "h": size[1], "fl_x": 20, "fl_y": 20, "cx": size[0] / 2, "cy": 3}
    rewrite(folder, lambda d: d["frames"][2].update(own | fields))
    return folder


def test_a_smaller_photo_lies_in_a_corner_as_it_is(tmp_path: Path) -> None:
    train = load(mixed(tmp_path, (6, 4))).train
    expected = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(4, 6, 3)
    np.testing.assert_array_equal(train.images[1, :4, :6], expected)
    np.testing.assert_array_equal(train.intrinsics[1], [20, 20, 3, 3])
    assert train.usable is not None
    assert train.usable[1, :4, :6].all() and train.usable[1].sum() == 6 * 4
    assert train.usable[0].all() and train.usable[2].all()


def test_a_larger_photo_is_shrunk_with_its_intrinsics(tmp_path: Path) -> None:
    train = load(mixed(tmp_path, (32, 16))).train
    pixels = np.asarray(Image.open(tmp_path / "images/2.png")).astype(float)
    means = pixels.reshape(4, 4, 8, 4, 3).mean((1, 3))
    np.testing.assert_allclose(train.images[1, :4], means, atol=0.51)
    np.testing.assert_allclose(train.intrinsics[1], [5, 5, 4, 0.75])
    assert train.usable is not None and train.usable[1].sum() == 4 * 8


def test_a_mask_of_a_shrunk_photo_takes_all_that_it_touches(tmp_path: Path) -> None:
    folder = mixed(tmp_path, (32, 16), mask_path="mask.png")
    used = np.full((16, 32), 255, np.uint8)
    used[5, 9] = 0
    Image.fromarray(used).save(folder / "mask.png")
    usable = load(folder).train.usable
    expected = np.zeros((8, 8), np.bool_)
    expected[:4] = True
    expected[1, 2] = False
    assert usable is not None
    np.testing.assert_array_equal(usable[1], expected)


def test_intrinsics_must_be_those_of_the_photo(tmp_path: Path) -> None:
    message = refusal(mixed(tmp_path, (6, 4), w=8, h=8))
    assert "2.png has 6x4 pixels" in message and "w 8 and h 8" in message


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_nothing_is_larger_than_the_photos_of_most(factor: int) -> None:
    each = ((40, 30), (40, 30), (90, 10), (10, 90), (3, 4), (40, 31))
    whole = (40 // factor, 30 // factor)
    for place in fits(Sizes(each, (40, 30)), factor):
        assert all(1 <= edge <= most for edge, most in zip(place.size, whole, strict=True))
        assert place.size[0] <= place.file[0] and place.size[1] <= place.file[1]


def test_those_of_the_common_size_are_averaged_in_whole_blocks() -> None:
    assert fits(Sizes(((41, 30),), (41, 30)), 4) == [Fit((41, 30), (10, 7), 4)]
