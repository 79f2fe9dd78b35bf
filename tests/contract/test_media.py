"""Photos, videos and archives are the same to the command line and to the stages of a job."""

from pathlib import Path

import pytest
from PIL import Image

from nerf_cli import folder as cli
from nerf_contract.media import Media, media_of, told_of_unread
from nerf_trainer.scenes import find_format, listing

Names = tuple[str, ...]

SCENES: dict[str, tuple[str, Media]] = {
    "photos of all kinds": (
        "a.jpg b.JPEG c.png d.webp e.tif f.TIFF notes.txt g.gif",
        Media(("a.jpg", "b.JPEG", "c.png", "d.webp", "e.tif", "f.TIFF"), (), (), ()),
    ),
    "what lies in images stands for all": (
        "preview.jpg walk.mp4 images/b.jpg images/a/c.jpg images/a-b/d.jpg masks/b.png",
        Media(("images/a/c.jpg", "images/a-b/d.jpg", "images/b.jpg"), (), (), ()),
    ),
    "unless that is nothing": ("a.jpg images/notes.txt", Media(("a.jpg",), (), (), ())),
    "a live photo is a photo": (
        "1.jpg 1.MOV 2.HEIC 2.mov 3.mov",
        Media(("1.jpg",), ("2.HEIC",), ("3.mov",), ()),
    ),
    "a photo stands for its original": (
        "1.jpg 1.NEF 2.HEIC 2.jpg 3.dng",
        Media(("1.jpg", "2.jpg"), ("3.dng",), (), ()),
    ),
    "archives are told of": (
        "b.tar.gz a.zip images/c.tgz",
        Media((), (), (), ("a.zip", "b.tar.gz", "images/c.tgz")),
    ),
    "nothing": ("notes.txt sparse.bin", Media((), (), (), ())),
}


@pytest.mark.parametrize("scene", SCENES)
def test_kinds(scene: str) -> None:
    names, want = SCENES[scene]
    assert media_of(reversed(names.split())) == want


@pytest.mark.parametrize("scene", SCENES)
def test_all_see_the_same(tmp_path: Path, scene: str) -> None:
    names, want = SCENES[scene]
    for name in names.split():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
        if name in want.photos:
            Image.new("RGB", (40, 30)).save(tmp_path / name)
    assert listing.look_into(tmp_path) == want
    assert find_format(tmp_path, "auto") == want.format
    try:
        seen = cli.inspect(tmp_path)
    except cli.UserError as error:
        assert want.unread or len(want.photos) < cli.FEWEST_PHOTOS, error
    else:
        found = (seen.format, seen.photos.count, seen.videos)
        assert found == (want.format, len(want.photos), len(want.videos))


@pytest.mark.parametrize(
    ("unread", "advice"),
    [(("a/1.HEIC", "2.heif"), "heif-convert"), (("1.heic", "2.nef"), "Convert them to JPEG, with")],
)
def test_what_helps_with_photos_that_are_not_read(unread: Names, advice: str) -> None:
    told = told_of_unread(unread)
    assert told.startswith("holds 2 photos such as 1.")
    assert advice in told
