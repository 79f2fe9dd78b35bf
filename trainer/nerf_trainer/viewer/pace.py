"""How large a picture may be, so that it comes in time and the training hardly notices."""

import math
from dataclasses import dataclass

#: Longest edges, in pixels, of the first picture of a camera at rest, and of the sharp one.
FINE_EDGE = 256
SHARP_EDGE = 640
#: Rays of the smallest picture, and of the smallest part of one.
FEWEST_RAYS = 32 * 24
SMALLEST_SLAB = 64
#: CPU seconds of a unit of work where cores are free, for 8 pictures a second, and where they are
#: wanted by others, for 5 to 6.
FREE_SECONDS, BUSY_SECONDS = 0.07, 0.007
#: They are wanted where others leave less than this of one: 8 pictures a second take most of it.
BUSY_BELOW = 0.75
#: Then drawing takes so much of a core.
BUSY_SHARE = 0.05
#: Seconds that it rests at most, so that it sees a camera begin to move.
LONGEST_REST = 0.2
#: How much the newest measurement counts.
WEIGHT = 0.3


@dataclass
class Load:
    """Whether others want the CPU. spare: cores that they leave."""

    spare: float = 0.0

    @property
    def busy(self) -> bool:
        """Whether they do."""
        return self.spare < BUSY_BELOW

    @property
    def unit_seconds(self) -> float:
        """CPU seconds that a unit of work may take."""
        return BUSY_SECONDS if self.busy else FREE_SECONDS

    def rest(self, cpu: float, wall: float) -> float:
        """Seconds to rest after a unit that took so many seconds of the CPU, and so many in all."""
        return min(LONGEST_REST, max(0.0, cpu / BUSY_SHARE - wall)) if self.busy else 0.0


@dataclass
class Pace:
    """What is measured of one way to render. rays_per_second: of the CPU; a guess at first."""

    rays_per_second: float

    def measured(self, rays: int, cpu: float) -> None:
        """So many rays took so many seconds of the CPU."""
        found = rays / max(cpu, 1e-6)
        self.rays_per_second += WEIGHT * (found - self.rays_per_second)

    def rays(self, load: Load, fewest: int) -> int:
        """Rays of a unit of work, at least so many."""
        return max(fewest, int(self.rays_per_second * load.unit_seconds))


def shape(aspect: float, rays: float, longest: float) -> tuple[int, int]:
    """Width and height of a picture of about so many rays, no edge longer than `longest`.

    aspect: width over height.
    """
    return fit(aspect, min(longest, math.sqrt(rays * max(aspect, 1 / aspect))))


def fit(aspect: float, longest: float) -> tuple[int, int]:
    """Width and height of a picture whose longer edge is `longest`."""
    height = longest / max(aspect, 1.0)
    return max(1, round(height * aspect)), max(1, round(height))
