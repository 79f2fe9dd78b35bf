"""What `kubectl nerf init` sees of a folder, and what would be uploaded."""

from pathlib import Path

import pytest
from PIL import Image

from nerf_cli import folder
from nerf_cli.errors import UserError
from nerf_cli.files import walk


def photo(
    path: Path, size: tuple[int, int] = (40, 30), mode: str = "RGB", camera: str = ""
) -> None:
    """A small photo, with an EXIF camera where one is named."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new(mode, size, "grey")
    exif = image.getexif()
    if camera:
        exif[0x010F], exif[0x0110] = camera.split(" ", 1)
    image.save(path, exif=exif)


def photos(root: Path, names: str = "a.jpg B.JPG c.jpeg d.PNG") -> None:
    for name in names.split():
        photo(root / name)


@pytest.mark.parametrize(
    ("markers", "want"),
    [
        ((), "photos"),
        (("transforms.json",), "nerfstudio"),
        (("transforms_train.json",), "blender"),
        (("sparse/0/cameras.bin",), "colmap"),
        (("colmap/sparse/0/cameras.txt",), "colmap"),
        (("poses_bounds.npy",), "llff"),
        (("transforms.json", "transforms_train.json", "sparse/x"), "nerfstudio"),
        (("transforms_train.json", "sparse/x"), "blender"),
        (("sparse/x", "poses_bounds.npy"), "colmap"),
    ],
)
def test_the_format_is_told_by_its_marker(
    tmp_path: Path, markers: tuple[str, ...], want: str
) -> None:
    photos(tmp_path)
    for marker in markers:
        (tmp_path / marker).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / marker).write_text("{}")
    assert folder.inspect(tmp_path).format == want


def test_photos_are_counted_by_size_and_camera(tmp_path: Path) -> None:
    photos(tmp_path)
    photo(tmp_path / "e.jpg", (64, 48), camera="ACME One\x1b[31m")
    (tmp_path / "f.jpg").write_text("not an image")
    found = folder.inspect(tmp_path)
    assert found.photos.count == 5
    assert found.photos.sizes == {(40, 30): 4, (64, 48): 1}
    assert found.photos.cameras == {"ACME One[31m": 1}
    assert found.photos.unreadable == ("f.jpg",)
    assert not found.photos.transparent
    assert folder.describe(found).startswith("5 photos of 40 x 30, 64 x 48 by ACME One")


def test_transparency_is_seen(tmp_path: Path) -> None:
    photos(tmp_path)
    photo(tmp_path / "z.png", mode="RGBA")
    assert folder.inspect(tmp_path).photos.transparent


def test_photos_in_images_stand_for_the_folder(tmp_path: Path) -> None:
    photos(tmp_path / "images")
    photo(tmp_path / "preview.jpg")
    photo(tmp_path / "masks" / "a.png")
    found = folder.inspect(tmp_path)
    assert found.photos.count == 4
    assert {file.name for file in found.files} >= {"images/a.jpg", "preview.jpg", "masks/a.png"}


@pytest.mark.parametrize(
    ("names", "words"),
    [("", "holds no photos"), ("a.jpg b.jpg", "holds only 2 photos")],
)
def test_too_few_photos_are_refused(tmp_path: Path, names: str, words: str) -> None:
    photos(tmp_path, names)
    with pytest.raises(UserError, match=words):
        folder.inspect(tmp_path)


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is not a folder"):
        folder.inspect(tmp_path / "file")
    with pytest.raises(UserError, match="does not exist"):
        folder.inspect(tmp_path / "nowhere")


def test_hidden_files_junk_and_links_that_lead_out_stay_here(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    photos(root)
    for name in (".hidden", ".git/config", "Thumbs.db", "__MACOSX/a.jpg", "notes.txt~", "sparse/x"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secrets").mkdir()
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "folder-out").symlink_to(tmp_path / "secrets")
    (root / "in.jpg").symlink_to(root / "a.jpg")
    (root / "dangling").symlink_to(root / "nothing")
    files, skipped = walk(root)
    assert [file.name for file in files] == sorted(
        ["B.JPG", "a.jpg", "c.jpeg", "d.PNG", "in.jpg", "sparse/x"]
    )
    assert skipped == ("folder-out", "out")


@pytest.mark.parametrize(
    ("colours", "want"),
    [
        (("white", "white", "white"), "white"),
        (("black", "black", "black"), "black"),
        (("white", "grey", "grey"), None),
        (("grey", "grey", "grey"), None),
    ],
)
def test_a_plain_backdrop_is_seen(
    tmp_path: Path, colours: tuple[str, ...], want: str | None
) -> None:
    for i, colour in enumerate(colours):
        image = Image.new("RGB", (64, 48), colour)
        image.paste("red", (16, 12, 48, 48))
        image.save(tmp_path / f"{i}.jpg")
    assert folder.inspect(tmp_path).photos.backdrop == want


def test_a_white_sky_is_no_backdrop(tmp_path: Path) -> None:
    for i in range(3):
        image = Image.new("RGB", (64, 48), "white")
        image.paste("green", (0, 30, 64, 48))
        image.save(tmp_path / f"{i}.jpg")
    assert folder.inspect(tmp_path).photos.backdrop is None


def video(root: Path, *names: str) -> None:
    """Files that are videos by their names; here nobody looks into them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(bytes(1000))


def test_a_video_is_a_dataset(tmp_path: Path) -> None:
    video(tmp_path, "walk.MP4")
    found = folder.inspect(tmp_path)
    assert (found.format, found.videos, found.photos.count) == ("video", 1, 0)
    assert folder.describe(found) == "1 video; 1.0 kB in 1 files; format video"


def test_photos_beside_videos_are_named(tmp_path: Path) -> None:
    video(tmp_path, "images/a.mov", "images/b.webm", "preview.mp4")
    photo(tmp_path / "images/c.jpg")
    found = folder.inspect(tmp_path)
    assert (found.format, found.videos) == ("video", 2)
    assert folder.describe(found).startswith("2 videos and 1 photos of 40 x 30; ")


def test_a_live_photo_is_a_photo(tmp_path: Path) -> None:
    photos(tmp_path, "IMG_1.jpg IMG_2.jpg IMG_3.jpg")
    video(tmp_path, "IMG_1.mov", "IMG_2.MOV")
    found = folder.inspect(tmp_path)
    assert (found.format, found.videos, found.photos.count) == ("photos", 0, 3)


def test_a_video_beside_poses_is_none(tmp_path: Path) -> None:
    photos(tmp_path / "images")
    video(tmp_path, "images/walk.mp4")
    (tmp_path / "transforms.json").write_text("{}")
    found = folder.inspect(tmp_path)
    assert (found.format, found.videos) == ("nerfstudio", 0)


@pytest.mark.parametrize("more", ["walk.mp4", "d.jpg"])
def test_photos_of_a_phone_are_to_be_converted(tmp_path: Path, more: str) -> None:
    photos(tmp_path, "a.jpg b.jpg c.jpg")
    (tmp_path / "IMG_1.HEIC").write_text("")
    (tmp_path / more).write_text("")
    with pytest.raises(UserError, match=r"1 photos such as IMG_1.HEIC.*heif-convert"):
        folder.inspect(tmp_path)
