"""`video.mp4` and `stills/`: what is seen along a camera path.

Names: N cameras of the path, H, W size of a picture.
"""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from numpy.typing import NDArray
from PIL import Image

from nerf_contract.outputs import StillsOutput, VideoOutput
from nerf_trainer.export import paths
from nerf_trainer.export.painters import Painters
from nerf_trainer.export.scene import TrainedScene

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]
Tell = Callable[[float], None]  # the share, in [0, 1], that is done

VIDEO_FILE = "video.mp4"
STILLS_FOLDER = "stills"
#: H.264 by the encoder that PyAV brings; some builds have only the others.
CODECS = ("libx264", "libopenh264", "mpeg4")
#: Of libx264: looks like the original, at a tenth of a lossless file.
QUALITY = {"crf": "20", "preset": "medium"}
#: Cameras that the path through them visits in a second.
STOPS_PER_SECOND = 1.5
#: Rays along an edge, of each of so many cameras, that find out how far away the scene is.
PROBE_EDGE, PROBE_CAMERAS = 16, 8


def make_video(
    painters: Painters, wanted: VideoOutput, folder: Path, tell: Tell
) -> dict[str, object]:
    """Write `video.mp4`. Returns figures."""
    count = max(1, round(wanted.seconds * wanted.frames_per_second))
    picture = painters.scene.cameras.picture(wanted.width)
    poses = path(painters.scene, wanted, count)

    def frames() -> Iterable[Pixels]:
        for i, pixels in enumerate(painters.pictures(poses, picture)):
            yield pixels
            tell((i + 1) / count)

    codec = write_video(frames(), wanted.frames_per_second, folder / VIDEO_FILE)
    size = {"width": picture.width, "height": picture.height, "frames": count}
    return {"path": wanted.path, "codec": codec, **size}


def make_stills(
    painters: Painters, wanted: StillsOutput, video: VideoOutput, folder: Path, tell: Tell
) -> dict[str, object]:
    """Write `stills/still_000.png` and so on, as large as the photos, from along the path."""
    cameras = painters.scene.cameras
    picture = cameras.picture(cameras.width)
    poses = path(painters.scene, video, wanted.count)
    (folder / STILLS_FOLDER).mkdir()
    for i, pixels in enumerate(painters.pictures(poses, picture)):
        Image.fromarray(pixels).save(folder / STILLS_FOLDER / f"still_{i:03d}.png")
        tell((i + 1) / wanted.count)
    return {"width": picture.width, "height": picture.height, "count": wanted.count}


def path(scene: TrainedScene, wanted: VideoOutput, count: int) -> Array:
    """`count` poses (N, 3, 4) along the path that is asked for."""
    poses = scene.cameras.poses
    if wanted.path == "spiral":
        return paths.spiral(poses, count, focus_depth(scene))
    if wanted.path == "cameras":
        stops = max(3, round(wanted.seconds * STOPS_PER_SECOND))
        return paths.through(poses, count, stops)
    return paths.orbit(poses, count)


def focus_depth(scene: TrainedScene) -> float:
    """Distance, in world units, at which a spiral keeps the scene still.

    Three quarters of the way, in 1 / distance, from the farthest to the nearest that the training
    cameras see, as LLFF's renderings have it.
    """
    near, far = np.percentile(_distances(scene), [10, 90])
    return float(1 / (0.25 / near + 0.75 / far))


def _distances(scene: TrainedScene) -> Array:
    """Distances of surfaces along a few rays of a few cameras; of its centre where none is seen."""
    cameras = scene.cameras
    picture = cameras.picture(PROBE_EDGE)
    found = []
    for pose in cameras.poses[:: max(1, len(cameras.poses) // PROBE_CAMERAS)]:
        seen = scene.look(picture.rays(pose, scene.device))
        solid = seen.opacity > 0.5
        found.append((seen.depth / seen.opacity)[solid])
    distances = torch.cat(found).double().cpu().numpy()
    fallback = np.linalg.norm(cameras.poses[:, :, 3], axis=-1)
    return distances if len(distances) else fallback.clip(min=1e-3)


def write_video(frames: Iterable[Pixels], frames_per_second: int, target: Path) -> str:
    """Encode pictures (H, W, 3) of one size as they come. Returns the codec's name.

    The file begins with its index, so that it plays while it is fetched, and bears no date.
    """
    codec = next(name for name in CODECS if name in av.codecs_available)
    flags = {"movflags": "faststart", "fflags": "bitexact"}
    with av.open(str(target), "w", options=flags) as container:
        stream = None
        for pixels in frames:
            if stream is None:
                stream = container.add_stream(codec, rate=frames_per_second)
                _set_up(stream, pixels)
            container.mux(stream.encode(_frame(pixels)))
        if stream is not None:
            container.mux(stream.encode())
    return codec


def _set_up(stream: av.VideoStream, first: Pixels) -> None:
    stream.height, stream.width = first.shape[:2]
    stream.pix_fmt = "yuv420p"
    stream.time_base = Fraction(1, stream.base_rate or 1)
    if stream.codec_context.name == "libx264":
        stream.options = QUALITY
    stream.codec_context.colorspace = Colorspace.ITU709
    stream.codec_context.color_primaries = ColorPrimaries.BT709
    stream.codec_context.color_trc = ColorTrc.BT709
    stream.codec_context.color_range = ColorRange.MPEG


def _frame(pixels: Pixels) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
    return frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
