"""Reading videos by PyAV: what they hold, and their frames one by one, with errors that name them.

A video is somebody's file. What FFmpeg can do with it is kept to what a camera's video needs: the
usual containers and decoders. No playlist or list of other files is followed, and nothing but the
file itself is opened.
"""

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from nerf_trainer.cpus import usable_cpus
from nerf_trainer.scenes.types import invalid
from nerf_trainer.volume import unreadable

#: Of a frame: a decoder holds a dozen of them in memory. 8K has 35 million.
MOST_PIXELS = 36_000_000
LEAST_FRAMES = 3
#: Longest video: in longer ones even a thousand frames would show nothing in common.
MOST_SECONDS = 3600
#: Pixels of all frames that are decoded: of 1080p, 13 minutes at 30 frames a second; some minutes
#: of work for two CPUs. Of what is longer only keyframes are.
MOST_DECODED = 50_000_000_000
#: Pixels of a small frame that costs as much as one with so many.
LEAST_WORK = 500_000
#: Threads of the decoder. Each holds frames.
MOST_THREADS = 4
#: Width of a pixel over its height, beyond which that is not believed.
WIDEST_PIXEL = 4.0
#: Errors that are the volume's; others come of what is in the file, which FFmpeg follows.
OF_VOLUMES = (errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE)
CONTAINERS = ("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "mpegts", "mpeg")
DECODERS = (
    *("h264", "hevc", "libdav1d", "av1", "vp8", "vp9", "libvpx", "libvpx-vp9"),
    *("mpeg4", "mpeg2video", "mpeg1video", "h263", "mjpeg", "prores", "dnxhd"),
)
OPTIONS = {
    "format_whitelist": ",".join(CONTAINERS),
    "codec_whitelist": ",".join(DECODERS),
    "protocol_whitelist": "",
    "max_pixels": str(MOST_PIXELS),
}
#: Frames a second where a video does not tell.
USUAL_RATE = 30


@dataclass(frozen=True)
class Track:
    """What a video tells without being decoded.

    frames: how many there are, of which so many keyframes can be decoded without another. start:
    time of the first one, in units of the stream. seconds: how long it is. pixels: of a frame.
    pixel_shape: width of a pixel over its height.
    """

    path: Path
    frames: int
    keyframes: int
    start: int
    seconds: float
    pixels: int
    pixel_shape: float


def survey(path: Path) -> Track:
    """Read through a video. Raises TrainerFailure (DatasetInvalid) where it cannot be used."""
    with _opened(path) as (container, stream):
        frames = keyframes = 0
        first = last = None
        for packet in container.demux(stream):
            frames += bool(packet.size)
            keyframes += bool(packet.size and packet.is_keyframe)
            if packet.size and packet.pts is not None:
                first = min(packet.pts, packet.pts if first is None else first)
                last = max(packet.pts, packet.pts if last is None else last)
        span = float(((last or 0) - (first or 0)) * stream.time_base)
        usual = frames / float(stream.average_rate or USUAL_RATE)
        seconds = span * frames / (frames - 1) if span else usual
        pixels, shape = stream.width * stream.height, _pixel_shape(stream)
    track = Track(path, frames, keyframes, first or 0, seconds, pixels, shape)
    _check(track)
    return track


def _pixel_shape(stream: Any) -> float:
    told = float(stream.sample_aspect_ratio or 1)
    return told if 1 / WIDEST_PIXEL <= told <= WIDEST_PIXEL else 1.0


def _check(track: Track) -> None:
    if not track.keyframes:
        raise invalid(f"{track.path} holds no picture that can be decoded. {_ANEW}")
    if track.frames < LEAST_FRAMES:
        raise invalid(
            f"{track.path} has {track.frames} frames. Film for a minute or so, walking around the "
            "subject, or remove the video."
        )
    if track.seconds > MOST_SECONDS:
        raise invalid(
            f"{track.path} lasts {track.seconds / 3600:.1f} hours; {MOST_SECONDS // 60} minutes "
            "are the most. Keep those few that show the scene: "
            "ffmpeg -ss 0:10:00 -i IN -t 180 -c copy OUT"
        )


def stride(track: Track, wanted: int) -> int:
    """0 where all frames are to be decoded; else every how many-th of the keyframes.

    Raises TrainerFailure (DatasetInvalid) where a long video has fewer of those than are wanted.
    """
    most = MOST_DECODED // max(track.pixels, LEAST_WORK)
    if track.frames <= most:
        return 0
    if track.keyframes < wanted:
        raise invalid(
            f"{track.path} has {track.frames} frames of {track.pixels / 1e6:.1f} million pixels, "
            f"too many to decode, and only {track.keyframes} keyframes. Make it smaller, with more "
            "of those: ffmpeg -i IN -vf scale=-2:1080 -g 15 OUT.mp4"
        )
    return -(-track.keyframes // most)


def decoded(track: Track, every: int) -> Iterator[tuple[float, Any]]:
    """Seconds since the first frame, and an av.VideoFrame, of all that can be decoded.

    every: by `stride`. Damaged frames are left out.
    """
    with _opened(track.path) as (container, stream):
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = min(MOST_THREADS, usable_cpus())
        stream.codec_context.options = {"max_pixels": OPTIONS["max_pixels"]}
        usual = track.seconds / track.frames
        for number, frame in enumerate(_frames(_chosen(container.demux(stream), every))):
            known = frame.pts is not None
            at = float((frame.pts - track.start) * stream.time_base) if known else number * usual
            yield at, frame


def _chosen(packets: Iterable[Any], every: int) -> Iterator[Any]:
    """All packets, or every so many-th keyframe; the empty one that ends them too."""
    keyframes = 0
    for packet in packets:
        if every and packet.size:
            keyframes += packet.is_keyframe
            if not packet.is_keyframe or (keyframes - 1) % every:
                continue
        yield packet


def _frames(packets: Iterable[Any]) -> Iterator[Any]:
    for packet in packets:
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue
        yield from (frame for frame in frames if not frame.is_corrupt)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container, and the stream of it that is the video."""
    try:
        with path.open("rb") as file, av.open(file, options=OPTIONS) as container:
            yield container, _stream(path, container)
    except (av.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in OF_VOLUMES:
            raise unreadable(path, error) from error
        raise invalid(f"{path} is not a video that can be read. {_ANEW}") from error


_ANEW = (
    "Copy it again from the camera, or encode it anew: "
    "ffmpeg -i IN -c:v libx264 -crf 18 -pix_fmt yuv420p OUT.mp4"
)


def _stream(path: Path, container: Any) -> Any:
    """The largest of the videos in a container, where a picture of the cover is none."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise invalid(f"{path} has no video in it, only sound or pictures. Put the video there.")
    known = [stream for stream in streams if _decoder(stream) in DECODERS]
    if not known:
        raise invalid(f"{path} is encoded in a way that is not read here. {_ANEW}")
    largest = max(known, key=lambda stream: stream.width * stream.height)
    if not 0 < largest.width * largest.height <= MOST_PIXELS:
        raise invalid(
            f"{path} has frames of {largest.width}x{largest.height} pixels; {MOST_PIXELS} pixels "
            "are the most. Make it smaller: ffmpeg -i IN -vf scale=-2:2160 OUT.mp4"
        )
    return largest


def _decoder(stream: Any) -> str:
    return stream.codec_context.name if stream.codec_context is not None else ""
