"""Photos are turned upright, or at least to one size."""

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from nerf_trainer.scenes.opening import grey, image_size, premultiplied
from nerf_trainer.scenes.orientation import TURNED_LEFT, Turn, mask_orientation, turns


def photo(path: Path, code: int, width: int = 6, height: int = 4) -> Path:
    """A photo whose pixels are stored under an EXIF orientation."""
    pixels = np.arange(width * height * 3, dtype=np.uint8).reshape(height, width, 3)
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[ExifTags.Base.Orientation] = code
    image.save(path, exif=exif)
    return path


@pytest.mark.parametrize("code", range(1, 9))
def test_each_code_turns_as_others_do(tmp_path: Path, code: int) -> None:
    path = photo(tmp_path / "a.png", code)
    upright = ImageOps.exif_transpose(Image.open(path))
    found = premultiplied(path, code)
    np.testing.assert_array_equal(np.asarray(found)[..., :3], np.asarray(upright))
    assert image_size(path, code) == upright.size


@pytest.mark.parametrize("code", range(1, 9))
def test_turning_left_is_a_code_too(tmp_path: Path, code: int) -> None:
    path = photo(tmp_path / "a.png", code)
    upright = np.asarray(premultiplied(path, code))
    left = np.asarray(premultiplied(path, TURNED_LEFT[code]))
    np.testing.assert_array_equal(left, np.rot90(upright))


def test_photos_of_one_camera_get_one_size(tmp_path: Path) -> None:
    wide = [photo(tmp_path / f"wide{i}.png", 1) for i in range(3)]
    tall = photo(tmp_path / "tall.png", 6)
    found = turns([*wide, tall])
    assert [turn.orientation for turn in found] == [1, 1, 1, TURNED_LEFT[6]]
    assert {image_size(p, t.orientation) for p, t in zip([*wide, tall], found, strict=True)} == {
        (6, 4)
    }
    assert found[0].up.tolist() == [0, 1, 0]
    assert found[3].up.tolist() == [-1, 0, 0]


def mask(path: Path, of: Path, kind: str) -> Path:
    """A photo in grey, as its mask: `upright`, or its stored pixels `with EXIF` or `without`."""
    with Image.open(of) as image:
        stored = image.convert("L")
        exif = image.getexif() if kind == "with EXIF" else None
        found = ImageOps.exif_transpose(image).convert("L") if kind == "upright" else stored
    found.info.clear()
    found.save(path, exif=exif)
    return path


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("kind", ["upright", "with EXIF", "without"])
@pytest.mark.parametrize("code", range(1, 9))
def test_a_mask_is_turned_as_its_photo_is(tmp_path: Path, code: int, kind: str, left: bool) -> None:
    path = photo(tmp_path / "a.png", code)
    turn = Turn(TURNED_LEFT[code], left=True) if left else Turn(code)
    found = mask(tmp_path / "mask.png", path, kind)
    opened = mask_orientation(found, turn, image_size(path, turn.orientation))
    assert opened is not None
    if kind == "without" and code < 5:  # Of two readings of one size, upright is meant.
        assert opened == (TURNED_LEFT[1] if left else 1)
    else:
        np.testing.assert_array_equal(grey(found, opened), grey(path, turn.orientation))


@pytest.mark.parametrize("code", [1, 6])
def test_a_mask_of_another_size_is_none_of_the_photo(tmp_path: Path, code: int) -> None:
    path = photo(tmp_path / "a.png", code)
    other = photo(tmp_path / "b.png", code, width=8)
    assert mask_orientation(other, Turn(code), image_size(path, code)) is None


def test_a_wrong_code_counts_as_none(tmp_path: Path) -> None:
    [turn] = turns([photo(tmp_path / "a.png", 77)])
    assert isinstance(turn, Turn) and turn.orientation == 1
