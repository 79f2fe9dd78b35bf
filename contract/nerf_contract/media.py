"""Which files of a dataset's folder are photos, videos or archives, by the endings of their names.

The one list for all who look: the command line before it uploads, and each stage of a job.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal

from nerf_contract.dataset import ENOUGH_PHOTOS

#: Photos and videos lie here, or else in the dataset's folder itself.
PHOTOS_DIR: Final = "images"
PHOTO_KINDS: Final = "JPEG, PNG, WebP or TIFF"
PHOTO_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"})
VIDEO_SUFFIXES: Final = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi"),
        *(".mts", ".m2ts", ".mpg", ".mpeg"),
    }
)
#: Photos as phones take them; and what to do with them, as they are not read.
HEIC_SUFFIXES: Final = frozenset({".heic", ".heif"})
HEIC_ADVICE: Final = (
    "Convert them to JPEG (`heif-convert -q 95 IN.heic OUT.jpg` keeps their EXIF data), and let "
    "the phone take JPEG from now on (of an iPhone: Settings, Camera, Formats, Most Compatible)."
)
RAW_SUFFIXES: Final = frozenset(
    {".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".pef"}
)
#: Photos of a kind that is not read.
UNREAD_SUFFIXES: Final = HEIC_SUFFIXES | RAW_SUFFIXES
ARCHIVE_SUFFIXES: Final = frozenset({".zip", ".tar", ".tgz", ".gz", ".7z", ".rar"})
_TAKEN: Final = PHOTO_SUFFIXES | UNREAD_SUFFIXES | VIDEO_SUFFIXES


@dataclass(frozen=True)
class Media:
    """Names of files in a dataset's folder, relative to it and in order.

    unread: photos of a kind that is not read, without those that a photo stands for. archives:
    nothing is taken of them; they have to be unpacked.
    """

    photos: tuple[str, ...]
    unread: tuple[str, ...]
    videos: tuple[str, ...]
    archives: tuple[str, ...]

    @property
    def any_photos(self) -> bool:
        """Whether there are photos, even if of a kind that is not read."""
        return bool(self.photos or self.unread)

    @property
    def format(self) -> Literal["photos", "video"] | None:
        """What the folder is without poses: the format that `auto` finds. None: neither.

        A clip beside a whole set of photos is hardly what its owner wants most frames of.
        """
        if self.videos and len(self.photos) < ENOUGH_PHOTOS:
            return "video"
        return "photos" if self.any_photos else None


def media_of(names: Iterable[str]) -> Media:
    """What is taken of a folder that has no poses.

    names: of its files, relative to it, with slashes, without hidden ones. One file of a name, but
    for its ending, is taken: a photo, before its raw original, or the moving part of a live photo.
    """
    ordered = sorted(names, key=lambda name: name.split("/"))
    inside = [name for name in ordered if name.startswith(f"{PHOTOS_DIR}/")]
    beside = [name for name in ordered if "/" not in name]
    here = inside if _with(inside, _TAKEN) else beside
    photos = _with(here, PHOTO_SUFFIXES)
    unread = _without(_with(here, UNREAD_SUFFIXES), photos)
    videos = _without(_with(here, VIDEO_SUFFIXES), [*photos, *unread])
    return Media(photos, unread, videos, _with([*beside, *inside], ARCHIVE_SUFFIXES))


def is_photo(name: str) -> bool:
    """Whether a file is a photo that is read."""
    return _suffix(name) in PHOTO_SUFFIXES


def told_of_unread(unread: tuple[str, ...]) -> str:
    """What a person should know of photos of a kind that is not read: there is one at least."""
    heic = all(_suffix(name) in HEIC_SUFFIXES for name in unread)
    advice = HEIC_ADVICE if heic else "Convert them to JPEG, with their EXIF data."
    first = PurePosixPath(unread[0]).name
    return f"holds {len(unread)} photos such as {first}, of a kind that is not read. {advice}"


def told_of_left_out(videos: tuple[str, ...]) -> str:
    """What a person should know of videos beside photos enough: there is one at least."""
    more = f" and {len(videos) - 1} more" if len(videos) > 1 else ""
    return (
        f"Left out beside so many photos: {PurePosixPath(videos[0]).name}{more}. Set "
        "dataset.format to video to use frames of videos too."
    )


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _stem(name: str) -> PurePosixPath:
    return PurePosixPath(name).with_suffix("")


def _with(names: list[str], suffixes: frozenset[str]) -> tuple[str, ...]:
    return tuple(name for name in names if _suffix(name) in suffixes)


def _without(names: tuple[str, ...], others: Iterable[str]) -> tuple[str, ...]:
    """Those that none of the others stands for."""
    taken = {_stem(name) for name in others}
    return tuple(name for name in names if _stem(name) not in taken)
