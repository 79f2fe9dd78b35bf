"""The scene on a grid: a coarse picture takes a twentieth of the time that the field would need.

Density and colour are looked up between the G^3 points of a grid over the coordinates that the
field's encoding sees, [-1, 1]^3, so that unbounded scenes work as well. What a point looks like is
kept for one direction.

Names: R rays, S samples of a ray, G points along an edge.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, max_pool3d

from nerf_trainer.fields import RadianceField
from nerf_trainer.fields.space import Contraction, Space
from nerf_trainer.models import SceneModel
from nerf_trainer.models.proposal import FAR, NEAR, distance, spacing
from nerf_trainer.rays import Rays
from nerf_trainer.sampling import intersect_cube
from nerf_trainer.trained_model import finest_field
from nerf_trainer.volrend import Rendered, over, row_weights

#: Points along an edge where an occupancy grid spares most of them, and where all are evaluated.
POINTS_WITH_GRID, POINTS = 96, 64
#: Samples of a ray, which go farther in an unbounded scene.
SAMPLES, SAMPLES_UNBOUNDED = 40, 64
#: Points of the grid that are evaluated at once.
BLOCK = 4096
#: Densities below this have no colour; and those that over the way to the next point are less
#: opaque than that are not looked at.
FAINTEST = 1e-6
FAINT_OPACITY = 1e-3
#: The contracted ball of radius 2 has an edge at infinity; the grid ends shortly before it.
RIM = 1.99


@dataclass(frozen=True)
class Preview:
    """values: colour times density, and density, channels first, (1, 4, G, G, G) in order z, y, x.

    Weighted so, a point in empty space lends its neighbours no colour. occupied: whether anything
    worth a look is at a point or next to it, (G^3,). near: where rays begin in unbounded space, in
    units of its bound.
    """

    space: Space
    values: Tensor
    occupied: Tensor
    background: float
    near: float

    @torch.no_grad()
    def render(self, rays: Rays) -> Rendered:
        """What rays see."""
        t, delta = self._pieces(rays)
        x = rays.o[:, None] + rays.d[:, None] * t[..., None]
        place = self.space(x.view(-1, 3)).view_as(x)
        chosen = self.occupied[self._nearest(place)]
        found = torch.zeros(4, *t.shape)
        found[:, chosen] = self._look_up(place[chosen])
        sigma = found[3]
        w = row_weights(sigma * delta)
        rgb = torch.einsum("crs,rs->rc", found[:3], w / sigma.clamp(min=FAINTEST))
        return over(rgb, w.sum(1), (w * t).sum(1), self.background)

    def _nearest(self, place: Tensor) -> Tensor:
        """Numbers (R, S) of the grid's points that are nearest to places (R, S, 3)."""
        g = self.values.shape[-1]
        i, j, k = ((place + 1) * ((g - 1) / 2) + 0.5).int().unbind(-1)
        return i + g * (j + g * k)

    def _look_up(self, place: Tensor) -> Tensor:
        """Values (4, M) at places (M, 3)."""
        return grid_sample(self.values, place.view(1, 1, 1, -1, 3), align_corners=True)[0, :, 0, 0]

    def _pieces(self, rays: Rays) -> tuple[Tensor, Tensor]:
        """Middles and lengths (R, S) of the pieces that samples stand for."""
        if isinstance(self.space, Contraction):
            first, last = spacing(torch.tensor([self.near, FAR])).tolist()
            place = torch.linspace(first, last, SAMPLES_UNBOUNDED + 1)
            edges = (distance(place) * self.space.bound).expand(len(rays), -1)
        else:
            near, far = intersect_cube(rays.o, rays.d, self.space.bound)
            edges = near[:, None] + (far - near)[:, None] * torch.linspace(0, 1, SAMPLES + 1)
        return (edges[:, 1:] + edges[:, :-1]) / 2, edges[:, 1:] - edges[:, :-1]


@torch.no_grad()
def make_preview(model: SceneModel, background: float) -> Preview:
    """Evaluate the model's field on the grid, but for what its occupancy grid knows to be empty."""
    field, grid = finest_field(model), getattr(model, "grid", None)
    g = POINTS if grid is None else POINTS_WITH_GRID
    axis = torch.linspace(-1, 1, g)
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    points = world(torch.stack([x, y, z], -1).view(-1, 3), field.space)
    values = torch.zeros(len(points), 4)
    chosen = torch.ones(len(points)) if grid is None else grid.at(points)
    for block in chosen.nonzero()[:, 0].split(BLOCK):
        values[block] = _evaluate(field, points[block])
    values = values.t().reshape(1, 4, g, g, g)
    faint = FAINT_OPACITY * g / (2 * field.space.bound)
    occupied = max_pool3d(values[:, 3], 3, stride=1, padding=1).flatten() > faint
    near = float(getattr(model, "near", NEAR))
    return Preview(field.space, values, occupied, background, near)


def world(place: Tensor, space: Space) -> Tensor:
    """World positions (M, 3) of the encoding's coordinates (M, 3): the inverse of `space`."""
    if not isinstance(space, Contraction):
        return place * space.bound
    norm = torch.linalg.vector_norm(2 * place, dim=-1, keepdim=True).clamp(min=1)
    return 2 * place / norm / (2 - norm.clamp(max=RIM)) * space.bound


def _evaluate(field: RadianceField, x: Tensor) -> Tensor:
    """Colour times density, and density, (M, 4) at points (M, 3)."""
    sigma, rgb = field(x, _seen_along(x, field.space))
    return torch.cat([rgb * sigma[:, None], sigma[:, None]], 1)


def _seen_along(x: Tensor, space: Space) -> Tensor:
    """Directions (M, 3) from which points are most likely seen: what lies around an unbounded scene
    from its middle, all else from outside."""
    distance_out = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    around = isinstance(space, Contraction) & (distance_out > space.bound)
    return torch.where(around, x, -x) / distance_out.clamp(min=1e-9)
