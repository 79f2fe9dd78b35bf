"""`mesh.ply`, `mesh.glb`: the surface at which the scene becomes opaque, coloured by its vertices.

Marching cubes, as scikit-image has it (Lewiner et al.: Efficient Implementation of Marching Cubes'
Cases with Topological Guarantees, Journal of Graphics Tools 8(2), 2003), in slabs of the cube.

Names: n cells along an edge, P vertices, T triangles. Vertices are in cells until they are placed.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage import measure

from nerf_contract.outputs import MeshOutput
from nerf_trainer.export.failure import OutputError
from nerf_trainer.export.glb import glb
from nerf_trainer.export.scene import TrainedScene
from nerf_trainer.volrend import row_weights

Array = NDArray[np.float64]
Values = NDArray[np.float32]
Numbers = NDArray[np.int64]
Tell = Callable[[float], None]  # the share, in [0, 1], that is done

PLY_FILE, GLB_FILE = "mesh.ply", "mesh.glb"
#: Points of the grid whose densities are in memory at once.
SLAB_POINTS = 1 << 22
#: Points that are evaluated at once.
BLOCK_POINTS = 1 << 16
#: Pieces with fewer triangles than this part of the largest one's are floaters.
LEAST_PIECE = 0.02
#: Vertices of two slabs are the same if they are so near, in cells.
SAME_VERTEX = 1e-3
#: Where the colour is taken: from one cell above the surface to two cells below, so many samples.
ABOVE, BELOW, COLOUR_SAMPLES = 1.0, 2.0, 7
#: Of the work, the densities are this share.
DENSITY_SHARE = 0.8


@dataclass(frozen=True)
class Surface:
    """Triangles (T, 3), numbers of vertices (P, 3), with unit normals (P, 3), outward."""

    vertices: Array
    triangles: Numbers
    normals: Array


def make_mesh(
    scene: TrainedScene, wanted: MeshOutput, folder: Path, tell: Tell
) -> dict[str, object]:
    """Write both files. Returns figures. Raises OutputError where there is no surface."""
    cell = 2 * scene.bound / wanted.resolution
    level = wanted.density or math.log(2) / cell
    surface = find_surface(scene, wanted.resolution, level, lambda x: tell(x * DENSITY_SHARE))
    pieces = visible_pieces(surface)
    placed = Surface(pieces.vertices * cell - scene.bound, pieces.triangles, pieces.normals)
    colours = vertex_colours(scene, placed, cell)
    write_ply(placed, colours, folder / PLY_FILE)
    glb_file = glb(placed.vertices, placed.triangles, placed.normals, colours)
    (folder / GLB_FILE).write_bytes(glb_file)
    counts = {"vertices": len(placed.vertices), "triangles": len(placed.triangles)}
    return {"density": level, "resolution": wanted.resolution, **counts}


def find_surface(scene: TrainedScene, n: int, level: float, tell: Tell) -> Surface:
    """The surface of one density in the scene's cube, found slab by slab; vertices in cells."""
    thickness = max(1, SLAB_POINTS // (n + 1) ** 2 - 1)
    parts = []
    peak = 0.0
    for first in range(0, n, thickness):
        densities = slab(scene, n, first, min(first + thickness, n))
        peak = max(peak, float(densities.max()))
        if densities.min() < level < densities.max():
            parts.append(_triangulate(densities, level, first))
        tell(min(1.0, (first + thickness) / n))
    if not parts:
        raise OutputError(_no_surface(level, peak))
    return _joined(parts)


def slab(scene: TrainedScene, n: int, first: int, last: int) -> Values:
    """Densities at the grid's points with x from `first` to `last`: (last - first + 1, n+1, n+1).

    They are 0 on the cube's faces: so the surface is closed there.
    """
    axis = torch.linspace(-scene.bound, scene.bound, n + 1)
    inside = torch.zeros(last - first + 1, n + 1, n + 1)
    for i, x in enumerate(axis[first : last + 1]):
        if 0 < first + i < n:
            points = torch.cartesian_prod(x[None], axis[1:-1], axis[1:-1])
            found = [scene.density(p.to(scene.device)).cpu() for p in points.split(BLOCK_POINTS)]
            inside[i, 1:-1, 1:-1] = torch.cat(found).view(n - 1, n - 1)
    return inside.numpy()


def _triangulate(densities: Values, level: float, first: int) -> Surface:
    vertices, triangles, normals, _ = measure.marching_cubes(
        densities, level, gradient_direction="ascent"
    )
    return Surface(vertices + np.array([first, 0, 0]), triangles.astype(np.int64), normals)


def _joined(parts: list[Surface]) -> Surface:
    """Slabs as one surface: the vertices that two of them share become one."""
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    triangles = [part.triangles + start for part, start in zip(parts, starts, strict=False)]
    vertices = np.concatenate([part.vertices for part in parts])
    normals = np.concatenate([part.normals for part in parts])
    places = np.round(vertices / SAME_VERTEX).astype(np.int64)
    _, kept, number = np.unique(places, axis=0, return_index=True, return_inverse=True)
    merged = number.reshape(-1)[np.concatenate(triangles)]
    whole = (merged != np.roll(merged, 1, axis=1)).all(1)
    return Surface(vertices[kept], merged[whole], normals[kept])


def visible_pieces(surface: Surface) -> Surface:
    """Without floaters, which are small beside the largest piece, and without cavities.

    A cavity is a piece whose normals point to its inside: nobody sees it.
    """
    a, b = surface.triangles[:, 0], surface.triangles[:, 1:]
    edges = np.repeat(a, 2), b.flatten()
    count = len(surface.vertices)
    graph = coo_array((np.ones(len(edges[0])), edges), (count, count))
    _, piece = connected_components(graph, directed=False)
    sizes, volumes = np.bincount(piece[a]), np.bincount(piece[a], _volumes(surface))
    if not (volumes > 0).any():
        raise OutputError("the surface has no outside. Set outputs.mesh.density lower.")
    largest = sizes[volumes > 0].max()
    good = (sizes >= LEAST_PIECE * largest) & (volumes > 0)
    kept = surface.triangles[good[piece[a]]]
    used, triangles = np.unique(kept, return_inverse=True)
    return Surface(surface.vertices[used], triangles.reshape(-1, 3), surface.normals[used])


def _volumes(surface: Surface) -> Array:
    """Signed volumes (T,) between the origin and the triangles: their sum is that of a piece."""
    a, b, c = surface.vertices[surface.triangles].transpose(1, 0, 2)
    return np.einsum("ti,ti->t", a, np.cross(b, c)) / 6


def vertex_colours(scene: TrainedScene, surface: Surface, cell: float) -> NDArray[np.uint8]:
    """Colours (P, 3): what a ray sees that meets the surface at right angles.

    surface: in world units. cell: the grid's, in the same.
    """
    offset = torch.linspace(-ABOVE, BELOW, COLOUR_SAMPLES) * cell
    step = float(offset[1] - offset[0])
    found = []
    for x, d in _blocks(scene, surface):
        t = offset.to(scene.device).expand(len(x), -1)
        found.append(_seen(scene, x[:, None] + d[:, None] * t[..., None], d, step))
    return (torch.cat(found).clamp(0, 1) * 255).round().byte().cpu().numpy()


@torch.no_grad()
def _seen(scene: TrainedScene, x: torch.Tensor, d: torch.Tensor, step: float) -> torch.Tensor:
    """Colours (R, 3) along short rays, samples x (R, S, 3), seen along d (R, 3)."""
    towards = d[:, None].expand_as(x).reshape(-1, 3)
    sigma, rgb = scene.field(x.reshape(-1, 3), towards)
    w = row_weights(sigma.view(x.shape[:2]) * step)[..., None]
    return (w * rgb.view_as(x)).sum(1) / w.sum(1).clamp(min=1e-6)


def _blocks(scene: TrainedScene, surface: Surface) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Vertices and inward normals, some at a time, where the scene is."""
    size = BLOCK_POINTS // COLOUR_SAMPLES
    for start in range(0, len(surface.vertices), size):
        x = torch.from_numpy(surface.vertices[start : start + size]).float()
        d = -torch.from_numpy(surface.normals[start : start + size]).float()
        yield x.to(scene.device), d.to(scene.device)


def write_ply(surface: Surface, colours: NDArray[np.uint8], target: Path) -> None:
    """Write a binary PLY file with normals and colours."""
    mesh = trimesh.Trimesh(
        *(surface.vertices.astype(np.float32), surface.triangles),
        vertex_normals=surface.normals,
        vertex_colors=colours,
        process=False,
    )
    target.write_bytes(trimesh.exchange.ply.export_ply(mesh, vertex_normal=True))


def _no_surface(level: float, peak: float) -> str:
    return (
        f"nothing in the scene's cube is as dense as {level:.3g} per unit of length (the densest "
        f"place has {peak:.3g}). Train longer, set outputs.mesh.density lower, or correct "
        "model.sceneBound."
    )
