"""Photos, videos and archives are the same to the command line and to the stages of a job."""

from pathlib import Path

import pytest
from PIL import Image

from nerf_cli import folder as cli
from nerf_contract.dataset import ENOUGH_PHOTOS
from nerf_contract.media import Media, media_of, told_of_left_out, told_of_unread
from nerf_trainer.scenes import find_format, listing

Names = tuple[str, ...]

ENOUGH = tuple(f"{i:02d}.jpg" for i in range(ENOUGH_PHOTOS))

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
    "a clip beside a whole set of photos is left out": (
        "walk.mp4 " + " ".join(ENOUGH),
        Media(ENOUGH, (), ("walk.mp4",), ()),
    ),
    "beside fewer it is what counts": (
        "walk.mp4 " + " ".join(ENOUGH[1:]),
        Media(ENOUGH[1:], (), ("walk.mp4",), ()),
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
        used = want.videos if want.format == "video" else ()
        found = (seen.format, seen.photos.count, seen.videos)
        assert found == (want.format, len(want.photos), len(used))
        assert used + seen.left_out == want.videos


@pytest.mark.parametrize(
    ("unread", "advice"),
    [(("a/1.HEIC", "2.heif"), "heif-convert"), (("1.heic", "2.nef"), "Convert them to JPEG, with")],
)
def test_what_helps_with_photos_that_are_not_read(unread: Names, advice: str) -> None:
    told = told_of_unread(unread)
    assert told.startswith("holds 2 photos such as 1.")
    assert advice in told


def test_a_choice_between_photos_and_videos_is_told() -> None:
    assert told_of_left_out(("a/1.mp4",)).startswith("Left out beside so many photos: 1.mp4. Set ")
    assert "1.mp4 and 2 more. Set dataset.format to video" in told_of_left_out(
        ("1.mp4", "2.mp4", "3.mp4")
    )


def test_a_format_that_is_named_is_taken(tmp_path: Path) -> None:
    for name in (*ENOUGH, "walk.mp4"):
        (tmp_path / name).write_bytes(b"")
    found = [find_format(tmp_path, wanted) for wanted in ("auto", "photos", "video", "llff")]
    assert found == ["photos", "photos", "video", None]
