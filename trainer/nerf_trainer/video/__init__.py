"""Videos as a source of photos: their sharpest frames, spread evenly over their time.

A video is decoded as a stream, and one frame at a time is held. The frames that are picked are JPEG
files beside the dataset, in a folder for each video that is named by its inputs, so that the next
job finds them. From then on they are photos.
"""

import hashlib
import io
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from PIL import ExifTags, Image

from nerf_contract import names
from nerf_trainer.files import sync_folder, write_durably
from nerf_trainer.scenes.listing import videos_in
from nerf_trainer.scenes.types import invalid
from nerf_trainer.video.picking import Candidate, part_of, shares, sharpest, sharpness
from nerf_trainer.video.pictures import grey, picture
from nerf_trainer.video.reading import Track, decoded, stride, survey
from nerf_trainer.volume import keeping, unreadable

__all__ = ["frames_of"]

log = logging.getLogger(__name__)

Tell = Callable[[str, float], None]

#: Raised whenever the same video would give other frames, so that older ones are not taken.
ALGORITHM = 1
#: Share of the frames that are wanted below which a video counts as damaged, or as a picture.
ENOUGH = 0.5
#: Of a JPEG file; such a video was compressed more than that.
QUALITY = 95


def frames_of(folder: Path, wanted: int, tell: Tell) -> list[Path]:
    """The files of the frames that are picked from the videos in `folder`, in their order.

    wanted: how many there shall be of all videos together. tell: takes what is being done, and the
    share of it that is done.
    Raises TrainerFailure: DatasetInvalid, or DatasetVolumeUnusable.
    """
    tell("looking at videos", 0.0)
    videos = _videos(folder, wanted)
    tracks = [survey(video) for video in videos]
    counts = shares([track.seconds for track in tracks], wanted)
    found: list[Path] = []
    for done, (track, count) in enumerate(zip(tracks, counts, strict=True)):
        found += _frames(folder, track, count, partial(_tell_part, tell, done, len(tracks)))
    return found


def _tell_part(tell: Tell, done: int, videos: int, activity: str, share: float) -> None:
    tell(activity, (done + share) / videos)


def _videos(folder: Path, wanted: int) -> list[Path]:
    videos = videos_in(folder)
    for video in videos:
        if not video.resolve().is_relative_to(folder.resolve()):
            raise invalid(f"{video} leads out of the dataset's folder. Copy the video into it.")
    if len(videos) > wanted:
        raise invalid(
            f"{folder} holds {len(videos)} videos, but dataset.video.frames is {wanted}. Raise it, "
            "or remove the videos that show something else."
        )
    return videos


def _frames(folder: Path, track: Track, count: int, tell: Tell) -> list[Path]:
    """The frames of one video. Those that were picked before are taken."""
    count = min(count, track.frames)
    target = folder / names.FRAMES_DIR / _identity(folder, track.path, count)
    if target.exists():
        log.info("%s has the frames of %s", target, track.path.name)
    else:
        with keeping(folder):
            if not target.exists():  # Another job may have been at it.
                _pick(track, count, target, tell)
    return sorted(target.glob("*/*.jpg"))


def _identity(folder: Path, video: Path, count: int) -> str:
    """16 hex digits that change with the video, how many frames it gives, and our algorithm."""
    try:
        with video.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(video, error) from error
    known = [ALGORITHM, video.relative_to(folder).as_posix(), content, count]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]


def _pick(track: Track, count: int, target: Path, tell: Tell) -> None:
    """Write the frames to `target`, which has its name once it is complete."""
    work = target.with_name(f".{target.name}.work")
    shutil.rmtree(work, ignore_errors=True)
    place = work / track.path.name
    place.mkdir(parents=True)
    try:
        for best in sharpest(_candidates(track, count, tell)):
            name = f"{best.part:04d}-{best.at:.2f}s.jpg"
            write_durably(place / name, _jpeg(best.frame, track, target.name))
        picked = len(list(place.iterdir()))
        _check(track, picked, count)
        sync_folder(place)
        work.rename(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    log.info("picked %d of %d frames of %s", picked, track.frames, track.path)


def _candidates(track: Track, count: int, tell: Tell) -> Iterator[Candidate]:
    """What is decoded, with parts that never decrease, whatever the video's clock says."""
    every = stride(track, count)
    total = -(-track.keyframes // every) if every else track.frames
    part, half = 0, track.seconds / track.frames / 2
    for read, (at, frame) in enumerate(decoded(track, every), 1):
        part = max(part, part_of(at + half, track.seconds, count))
        tell(f"reading frames, {min(read, total)} of {total}", min(1.0, read / total))
        yield Candidate(part, at, sharpness(grey(frame)), frame)


def _check(track: Track, picked: int, count: int) -> None:
    if picked < ENOUGH * count:
        raise invalid(
            f"Frames of only {picked} of {count} parts of {track.path} can be decoded: it is "
            "damaged, or a picture that stands still. Copy it again from the camera, or film anew."
        )


def _jpeg(frame: object, track: Track, camera: str) -> bytes:
    """The file of a frame. camera: of its EXIF data, as all frames of a video, and no others, share
    a focal length."""
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = camera
    file = io.BytesIO()
    pixels = picture(frame, track.pixel_shape)
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY, exif=exif)
    return file.getvalue()
