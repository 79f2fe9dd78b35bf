"""Points that can be found again in other photos: SIFT (Lowe 2004), by COLMAP.

Keypoints are in pixels of the photo as it is worked on: turned, and of `working_size`.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
from numpy.typing import NDArray
from PIL import Image

from nerf_contract.dataset import PosesConfig
from nerf_trainer.cpus import usable_cpus
from nerf_trainer.poses.inputs import Input
from nerf_trainer.poses.pieces import Arrays, Pieces
from nerf_trainer.scenes.opening import grey, in_parallel, premultiplied

#: Bytes that SIFT takes for a pixel, in a thread, and for all threads together.
PIXEL_BYTES, MEMORY_BYTES = 256, 2_000_000_000
#: Longer edge up to which small photos are enlarged, and the most by which they are. SIFT finds
#: more points in them so, and places them better: cameras of 256-pixel photos are three times as
#: exact.
ENLARGED_EDGE, MOST_ENLARGED = 512, 2.0
#: Photos that are done between two pieces that are kept, for each thread.
BATCH = 2


@dataclass(frozen=True)
class Features:
    """points: x, y (N, 2) float32. descriptors: unit vectors (N, 128) float32. colours: (N, 3)."""

    points: NDArray[np.float32]
    descriptors: NDArray[np.float32]
    colours: NDArray[np.uint8]


def working_size(size: tuple[int, int], most: int) -> tuple[int, int]:
    """Width and height with a longer edge of `most` pixels at most; small photos are enlarged."""
    wanted = min(MOST_ENLARGED, max(1.0, ENLARGED_EDGE / max(size)))
    scale = min(wanted, most / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def extract(
    inputs: Sequence[Input], config: PosesConfig, pieces: Pieces, tell: Callable[[float], None]
) -> None:
    """Keep the features of all photos that have none yet. tell: takes the share that is done."""
    missing = [i for i in range(len(inputs)) if not pieces.has(_name(i))]
    sizes = {working_size(photo.size, config.max_image_size) for photo in inputs}
    pixels = max(width * height for width, height in sizes)
    threads = max(1, min(usable_cpus(), MEMORY_BYTES // (PIXEL_BYTES * pixels)))
    for start in range(0, len(missing), BATCH * threads):
        tell(1 - (len(missing) - start) / len(inputs))
        batch = missing[start : start + BATCH * threads]
        found = _extract([inputs[i] for i in batch], config, threads)
        for i, arrays in zip(batch, found, strict=True):
            pieces.keep(_name(i), arrays)


def read_features(pieces: Pieces, i: int) -> Features:
    """The features of photo i."""
    arrays: Any = pieces.read(_name(i))
    descriptors = arrays["descriptors"].astype(np.float32)
    lengths = np.linalg.norm(descriptors, axis=1, keepdims=True)
    return Features(arrays["points"], descriptors / np.maximum(lengths, 1), arrays["colours"])


def _name(i: int) -> str:
    return f"features-{i:06d}"


def _extract(inputs: Sequence[Input], config: PosesConfig, threads: int) -> list[Arrays]:
    """COLMAP reads files only: the photos are laid out for it as it should see them."""
    with tempfile.TemporaryDirectory(prefix="features-") as name:
        work = Path(name)
        for part in ("photos", "masks"):
            (work / part).mkdir()
        jobs = list(enumerate(inputs))
        pixels = max(photo.size[0] * photo.size[1] for photo in inputs)
        most = config.max_image_size
        colours = in_parallel(lambda job: _lay_out(work, *job, most), jobs, pixels)
        pycolmap.extract_features(
            work / "features.db",
            work / "photos",
            reader_options={"mask_path": work / "masks"} if any(x.mask for x in inputs) else {},
            extraction_options=_options(config, threads),
            device=pycolmap.Device.cpu,
        )
        with pycolmap.Database.open(work / "features.db") as database:
            return [_arrays(database, i, picture) for i, picture in enumerate(colours)]


def _options(config: PosesConfig, threads: int) -> Any:
    options = pycolmap.FeatureExtractionOptions()
    options.use_gpu = False
    options.num_threads = threads
    options.max_image_size = config.max_image_size
    options.sift.max_num_features = config.max_features
    return options


def _lay_out(work: Path, i: int, photo: Input, most: int) -> NDArray[np.uint8]:
    """Write the photo in grey, and its mask, where COLMAP looks; its colours (H, W, 3)."""
    size = working_size(photo.size, most)
    whole_photo = premultiplied(photo.path, photo.turn.orientation)
    shrunk = whole_photo.resize(size, Image.Resampling.LANCZOS)
    colours = np.ascontiguousarray(np.asarray(shrunk)[..., :3])
    Image.fromarray(colours).convert("L").save(work / "photos" / _file(i), compress_level=1)
    if photo.mask is not None:
        whole = Image.fromarray(grey(photo.mask, photo.mask_orientation))
        mask = whole.resize(size, Image.Resampling.BOX)
        white = mask.point([0] * 128 + [255] * 128)
        white.save(work / "masks" / f"{_file(i)}.png")
    return colours


def _file(i: int) -> str:
    return f"{i:06d}.png"


def _arrays(database: Any, i: int, colours: NDArray[np.uint8]) -> Arrays:
    image = database.read_image_with_name(_file(i)).image_id
    points = np.asarray(database.read_keypoints(image), np.float32).reshape(-1, 6)[:, :2]
    column, row = points.astype(int).T
    height, width = colours.shape[:2]
    at = np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)
    descriptors = np.asarray(database.read_descriptors(image).data, np.uint8).reshape(-1, 128)
    return {"points": points, "descriptors": descriptors, "colours": colours[at]}
