"""What a folder of photos or videos holds: looked at, never changed."""

import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from nerf_cli.errors import UserError
from nerf_cli.files import Files, LocalFile, walk
from nerf_contract.media import PHOTO_KINDS, PHOTOS_DIR, Media, is_photo, media_of, told_of_unread

Format = Literal["photos", "video", "nerfstudio", "blender", "colmap", "llff"]
Backdrop = Literal["white", "black"]
#: A backdrop is looked for in so many photos, shrunk to so many pixels: in three corners, since a
#: sky may be white as well, and along most of the edges, in nearly all photos.
BACKDROP_PHOTOS, EDGE_SIZE, CORNERS, EDGE_SHARE, PHOTO_SHARE = 12, 32, 3, 0.5, 0.75
NEARLY_WHITE, NEARLY_BLACK = 245, 10
FEWEST_PHOTOS = 3
#: Numbers of EXIF tags: the camera's make and model.
_MAKE, _MODEL = 0x010F, 0x0110


@dataclass(frozen=True)
class Photos:
    """What the headers of the photos say.

    sizes: how many there are of each (width, height). cameras: of each EXIF make and model.
    transparent: whether any has an alpha channel. backdrop: the one colour that is behind the
    object in the photos, where it is white or black. unreadable: names of files that are no images.
    """

    count: int = 0
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    cameras: Counter[str] = field(default_factory=Counter)
    transparent: bool = False
    backdrop: Backdrop | None = None
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Folder:
    """A dataset's folder. skipped: links that lead out of it, which are not uploaded. videos: how
    many there are that frames are taken of. left_out: names of videos that are not.
    """

    root: Path
    format: Format
    photos: Photos
    files: tuple[LocalFile, ...]
    skipped: tuple[str, ...]
    videos: int = 0
    left_out: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.files)


def inspect(root: Path) -> Folder:
    """Look into a folder. Raises UserError where it cannot become a scene."""
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise UserError(f"{root} {what}. Name the folder that holds the photos, or the video.")
    files, skipped = walk(root)
    if posed := detect(root):
        photos = read_headers([file for file in files if _is_posed(file)])
        _check(root, photos)
        return Folder(root, posed, photos, files, skipped)
    return _without_poses(root, files, skipped)


def _without_poses(root: Path, files: Files, skipped: tuple[str, ...]) -> Folder:
    media = media_of(file.name for file in files)
    if media.unread:
        raise UserError(f"{root} {told_of_unread(media.unread)}")
    photos = read_headers([file for file in files if file.name in media.photos])
    format_ = media.format or "photos"
    if format_ == "video":
        return Folder(root, format_, photos, files, skipped, len(media.videos))
    _check(root, photos, media)
    return Folder(root, format_, photos, files, skipped, left_out=media.videos)


def _is_posed(file: LocalFile) -> bool:
    """Whether a dataset with poses may have its file's pixels: masks have the endings of photos."""
    return is_photo(file.name) and "masks" not in Path(file.name).parts


def detect(root: Path) -> Format | None:
    """The format by the file that marks it, as the trainer finds it; None where none is there."""
    if (root / "transforms.json").is_file():
        return "nerfstudio"
    if (root / "transforms_train.json").is_file():
        return "blender"
    if (root / "sparse").is_dir() or (root / "colmap" / "sparse").is_dir():
        return "colmap"
    if (root / "poses_bounds.npy").is_file():
        return "llff"
    return None


def read_headers(files: list[LocalFile]) -> Photos:
    """Sizes and cameras of the photos, without decoding them."""
    sizes: Counter[tuple[int, int]] = Counter()
    cameras: Counter[str] = Counter()
    transparent, unreadable = False, []
    for file in files:
        try:
            with warnings.catch_warnings(action="ignore"), Image.open(file.path) as image:
                sizes[image.size] += 1
                cameras.update(_camera(image))
                transparent |= image.has_transparency_data
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            unreadable.append(file.name)
    good = [file for file in files if file.name not in unreadable]
    count = sum(sizes.values())
    return Photos(count, sizes, cameras, transparent, _backdrop(good), tuple(unreadable))


def _backdrop(files: list[LocalFile]) -> Backdrop | None:
    """The colour around what is in the photos, if it is the same in nearly all of a few of them."""
    looked_at = files[:: max(1, len(files) // BACKDROP_PHOTOS)]
    found = Counter(_edge(file.path) for file in looked_at)
    colour, count = found.most_common(1)[0] if found else (None, 0)
    return colour if count >= PHOTO_SHARE * len(looked_at) else None


def _edge(path: Path) -> Backdrop | None:
    """White or black where nearly all pixels along the edges of a photo are."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            image.draft("RGB", (EDGE_SIZE, EDGE_SIZE))
            small = image.convert("RGB").resize((EDGE_SIZE, EDGE_SIZE))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    ends, all_ = (0, EDGE_SIZE - 1), range(EDGE_SIZE)
    corners = [small.getpixel((i, j)) for i in ends for j in ends]
    edges = [small.getpixel((i, j)) for i in all_ for j in all_ if i in ends or j in ends]
    for colour, fits in _BACKDROPS.items():
        enough = sum(map(fits, corners)) >= CORNERS
        if enough and sum(map(fits, edges)) >= EDGE_SHARE * len(edges):
            return colour
    return None


_BACKDROPS: dict[Backdrop, Callable[[Any], bool]] = {
    "white": lambda pixel: min(pixel) >= NEARLY_WHITE,
    "black": lambda pixel: max(pixel) <= NEARLY_BLACK,
}


def _camera(image: Any) -> list[str]:
    exif = image.getexif()
    words = [str(exif[tag]) for tag in (_MAKE, _MODEL) if tag in exif]
    text = "".join(letter for letter in " ".join(words) if letter.isprintable()).strip()
    return [text] if text else []


def _check(root: Path, photos: Photos, media: Media | None = None) -> None:
    if photos.count >= FEWEST_PHOTOS:
        return
    broken = f" {photos.unreadable[0]} cannot be read as an image." if photos.unreadable else ""
    if photos.count == 0:
        packed = f" Unpack {media.archives[0]} first." if media and media.archives else ""
        raise UserError(
            f"{root} holds no photos.{broken}{packed} Put photos ({PHOTO_KINDS}), or a video, into "
            f"it, or into {root / PHOTOS_DIR}."
        )
    raise UserError(
        f"{root} holds only {photos.count} photos.{broken} A scene needs {FEWEST_PHOTOS} at "
        "least, and does well with 30 or more that overlap."
    )


def describe(folder: Folder) -> str:
    """The folder in a line, such as `24 photos of 960 x 720 by ACME One; 31 MB; format photos`."""
    found = [_videos(folder.videos)] if folder.videos else []
    if folder.photos.count or not found:
        found.append(_photos(folder.photos))
    return (
        f"{' and '.join(found)}; {human(folder.size)} in "
        f"{len(folder.files)} files; format {folder.format}"
    )


def _videos(count: int) -> str:
    return "1 video" if count == 1 else f"{count} videos"


def _photos(photos: Photos) -> str:
    sizes = ", ".join(f"{w} x {h}" for (w, h), _ in photos.sizes.most_common(3))
    cameras = ", ".join(name for name, _ in photos.cameras.most_common(3))
    more = ", ..." if len(photos.sizes) > 3 else ""
    by = f" by {cameras}" if cameras else ""
    return f"{photos.count} photos of {sizes}{more}{by}"


def human(size: float) -> str:
    """A number of bytes for people: `3.2 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
