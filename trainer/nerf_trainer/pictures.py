"""Pictures that show in one look how good a render is, and where it is not.

Names: H, W size of a view. Colours are uint8 sRGB unless told otherwise.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: An error of this share of the range has the last colour, in every picture, so that they compare.
FULL_ERROR = 0.25
#: Below this opacity there is no surface whose depth could be shown.
MIN_OPACITY = 0.5
NEUTRAL = 128
#: Outliers beyond these percentiles of the depth would leave the rest in one colour.
DEPTH_PERCENTILES = (2, 98)

#: Corners of our colour maps, sRGB in [0, 1], from dark to light.
_HEAT = (
    (0, 0, 0),
    (0.3, 0.05, 0.5),
    (0.75, 0.15, 0.35),
    (0.97, 0.5, 0.1),
    (1, 0.9, 0.4),
    (1, 1, 1),
)
_DEPTH = ((0.08, 0.05, 0.2), (0.15, 0.25, 0.5), (0.15, 0.5, 0.6), (0.4, 0.8, 0.6), (0.95, 1, 0.75))


def side_by_side(
    truth: Pixels, render: Pixels, opacity: Values, depth: Values, mask: Mask | None = None
) -> Pixels:
    """Truth, render, error and depth in one picture: (H, 4 W, 3).

    truth, render: (H, W, 3). opacity, depth: (H, W), depth weighted by opacity, as in `Rendered`.
    mask: (H, W), False where the photo does not count; None where all of it does.
    """
    panels = [truth, render, error_panel(truth, render, mask), depth_panel(opacity, depth)]
    return np.concatenate(panels, 1)


def error_panel(truth: Pixels, render: Pixels, mask: Mask | None = None) -> Pixels:
    """Mean absolute error over the channels, the lighter the greater; grey where masked."""
    error = np.abs(render.astype(np.int16) - truth).mean(-1) / 255
    colours = coloured(error / FULL_ERROR, HEAT)
    if mask is not None:
        colours[~mask] = NEUTRAL
    return colours


def depth_panel(opacity: Values, depth: Values) -> Pixels:
    """Distance of what is seen, the lighter the nearer; grey where nothing is."""
    solid = opacity >= MIN_OPACITY
    colours = np.full((*solid.shape, 3), NEUTRAL, np.uint8)
    if solid.any():
        distance = depth[solid] / opacity[solid]
        near, far = np.percentile(distance, DEPTH_PERCENTILES)
        colours[solid] = coloured((far - distance) / max(far - near, 1e-6), DEPTH)
    return colours


def coloured(values: NDArray[np.floating], table: Pixels) -> Pixels:
    """The colour (..., 3) of each value (...) in [0, 1]; those beyond have the nearest one's."""
    last = len(table) - 1
    return table[np.clip(np.round(np.nan_to_num(values) * last), 0, last).astype(np.intp)]


def lightness(colours: NDArray[np.floating]) -> NDArray[np.floating]:
    """CIE 1976 L* (...), 0 to 100, of sRGB colours (..., 3) in [0, 1] (IEC 61966-2-1)."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    y = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(y <= (6 / 29) ** 3, y * (29 / 3) ** 3, 116 * np.cbrt(y) - 16)


def _table(corners: tuple[tuple[float, ...], ...]) -> Pixels:
    """256 colours (256, 3) along the corners whose lightness rises evenly, as the eye sees it."""
    channels = np.array(corners).T
    at = np.linspace(0, len(corners) - 1, 4096)
    path = np.stack([np.interp(at, range(len(corners)), channel) for channel in channels], -1)
    light = lightness(path)
    even = np.linspace(light[0], light[-1], 256)
    colours = np.stack([np.interp(even, light, channel) for channel in path.T], -1)
    return np.round(colours * 255).astype(np.uint8)


HEAT = _table(_HEAT)
DEPTH = _table(_DEPTH)


def png(picture: Pixels) -> bytes:
    """A picture (H, W, 3) as a PNG file, packed lightly: it is written at every evaluation."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=2)
    return buffer.getvalue()
