"""How large a picture may be, so that it comes in time."""

import math
from dataclasses import dataclass

#: Seconds that a picture may take while the camera moves: 8 a second are aimed at, for 5 at least.
COARSE_SECONDS = 0.12
#: Seconds until the renderer looks whether the camera has moved.
SLAB_SECONDS = 0.06
#: Longest edges, in pixels, of the first picture of a camera at rest, and of the sharp one.
FINE_EDGE = 256
SHARP_EDGE = 640
#: Rays of the smallest picture, and of the smallest part of one.
FEWEST_RAYS = 32 * 24
SMALLEST_SLAB = 64
#: How much the newest measurement counts.
WEIGHT = 0.3


@dataclass
class Pace:
    """What is measured of one way to render. rays_per_second: a first guess, then measured."""

    rays_per_second: float

    def measured(self, rays: int, seconds: float) -> None:
        """So many rays took so long."""
        found = rays / max(seconds, 1e-6)
        self.rays_per_second += WEIGHT * (found - self.rays_per_second)

    def coarse_rays(self) -> int:
        """Rays of a picture while the camera moves."""
        return max(FEWEST_RAYS, int(self.rays_per_second * COARSE_SECONDS))

    def slab_rays(self) -> int:
        """Rays of a part of a picture."""
        return max(SMALLEST_SLAB, int(self.rays_per_second * SLAB_SECONDS))


def shape(aspect: float, rays: float, longest: float) -> tuple[int, int]:
    """Width and height of a picture of about so many rays, no edge longer than `longest`.

    aspect: width over height.
    """
    return fit(aspect, min(longest, math.sqrt(rays * max(aspect, 1 / aspect))))


def fit(aspect: float, longest: float) -> tuple[int, int]:
    """Width and height of a picture whose longer edge is `longest`."""
    height = longest / max(aspect, 1.0)
    return max(1, round(height * aspect)), max(1, round(height))
