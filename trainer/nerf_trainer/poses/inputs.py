"""The photos whose cameras are to be found, by their headers, and what identifies them."""

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image

from nerf_contract.dataset import PosesConfig
from nerf_contract.reasons import POSES_FAILED
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.scenes.listing import mask_of
from nerf_trainer.scenes.opening import UPRIGHT, image_size, in_parallel
from nerf_trainer.scenes.orientation import Turn, mask_orientation, turns
from nerf_trainer.scenes.types import invalid

#: Raised whenever the same photos would get other poses, so that older results are not taken.
ALGORITHM = 2
LEAST_PHOTOS = 3
#: Diagonal of 35 mm film, in mm.
FILM_DIAGONAL = 43.27
Exif = dict[int, object]


@dataclass(frozen=True)
class Input:
    """One photo.

    name: its path relative to the dataset's folder. size: width and height, once turned.
    mask_orientation: EXIF code to open the mask with, so that it is turned as the photo is.
    camera: equal for photos that were taken by one camera. focal: in pixels, where EXIF tells.
    place: latitude and longitude in degrees, where EXIF tells.
    """

    path: Path
    name: str
    turn: Turn
    size: tuple[int, int]
    mask: Path | None
    mask_orientation: int
    camera: str
    focal: float | None
    place: tuple[float, float] | None


def read_inputs(folder: Path, paths: Sequence[Path], config: PosesConfig) -> list[Input]:
    """The photos, which lie below `folder`. Raises TrainerFailure where they cannot be used."""
    for path in paths:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise invalid(f"{path} leads out of the dataset's folder. Copy the photo into it.")
    if len(paths) < LEAST_PHOTOS:
        raise TrainerFailure(
            POSES_FAILED,
            f"{folder} holds {len(paths)} photos. At least {LEAST_PHOTOS} are needed to find "
            "cameras, and 30 or more from all around make a good scene: take more.",
        )
    items = list(zip(paths, turns(paths), strict=True))
    return in_parallel(lambda item: _input(folder, *item, config), items)


def _input(folder: Path, path: Path, turn: Turn, config: PosesConfig) -> Input:
    name = path.relative_to(folder).as_posix()
    size = image_size(path, turn.orientation)
    camera, focal, place = _exif(path, size)
    mask = mask_of(folder, path)
    mask_code = UPRIGHT if mask is None else _mask_code(mask, path, turn, size)
    own = f"{camera} {size}" if config.shared_camera else name
    return Input(path, name, turn, size, mask, mask_code, own, focal, place)


def _mask_code(mask: Path, photo: Path, turn: Turn, size: tuple[int, int]) -> int:
    code = mask_orientation(mask, turn, size)
    if code is None:
        raise invalid(f"{mask} has not the size of its photo {photo}. A mask must have it.")
    return code


def _exif(
    path: Path, size: tuple[int, int]
) -> tuple[str, float | None, tuple[float, float] | None]:
    """Camera, focal length in pixels, and place. What EXIF tells wrongly counts as not told."""
    try:
        with Image.open(path) as image:
            base = image.getexif()
            details = base.get_ifd(ExifTags.IFD.Exif)
            gps = base.get_ifd(ExifTags.IFD.GPSInfo)
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, struct.error):
        return "", None, None
    tags = [base.get(tag) for tag in (ExifTags.Base.Make, ExifTags.Base.Model)]
    tags += [details.get(ExifTags.Base.FocalLength)]
    return " ".join(map(str, tags)), _focal(details, size), _place(gps)


def _focal(details: Exif, size: tuple[int, int]) -> float | None:
    told = _number(details.get(ExifTags.Base.FocalLengthIn35mmFilm))
    if told is None or not 5 < told < 2000:
        return None
    return told / FILM_DIAGONAL * float((size[0] ** 2 + size[1] ** 2) ** 0.5)


def _place(gps: Exif) -> tuple[float, float] | None:
    latitude = _degrees(gps, ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, "S")
    longitude = _degrees(gps, ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, "W")
    return None if latitude is None or longitude is None else (latitude, longitude)


def _degrees(gps: Exif, tag: int, side_tag: int, negative: str) -> float | None:
    parts = gps.get(tag)
    if not isinstance(parts, tuple) or len(parts) != 3:
        return None
    numbers = [_number(part) for part in parts]
    if any(number is None for number in numbers):
        return None
    degrees = sum((number or 0) / 60**i for i, number in enumerate(numbers))
    return -degrees if gps.get(side_tag) == negative else degrees


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if abs(number) < 1e9 else None


def identity(inputs: Sequence[Input], config: PosesConfig) -> str:
    """16 hex digits that change with the photos, their masks, the settings and our algorithm.

    Raises TrainerFailure (PosesFailed) where photos are copies of each other.
    """
    contents = in_parallel(lambda item: _digest(item.path), inputs)
    if len(set(contents)) < LEAST_PHOTOS:
        raise TrainerFailure(
            POSES_FAILED,
            f"The {len(inputs)} photos are copies of {len(set(contents))}. Cameras can be found "
            "from different views only: take photos while walking around the subject.",
        )
    masks = in_parallel(_mask_identity, inputs)
    names = [item.name for item in inputs]
    known = [ALGORITHM, config.model_dump(mode="json"), *zip(names, contents, masks, strict=True)]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]


def _mask_identity(item: Input) -> str | None:
    if item.mask is None:
        return None
    turned = "" if item.mask_orientation == item.turn.orientation else str(item.mask_orientation)
    return _digest(item.mask) + turned


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
