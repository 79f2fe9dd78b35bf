"""`mesh.glb`: a mesh as glTF 2.0 (Khronos), which browsers, Blender and game engines open.

glTF has y upwards where the scene has z, and wants linear colours where pictures have sRGB. The
photos' light is in the colours already, so no other is to fall on them (KHR_materials_unlit).

Names: P vertices, T triangles.
"""

from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

Array = NDArray[np.float64]

UNLIT = "KHR_materials_unlit"
#: trimesh writes colours of 8 bits, too few for dark ones that are linear; any numbers it writes
#: under names of their own.
COLOUR = "_COLOR"


def glb(
    vertices: Array, triangles: NDArray[np.int64], normals: Array, colours: NDArray[np.uint8]
) -> bytes:
    """The file. vertices, normals: (P, 3). triangles: (T, 3). colours: sRGB (P, 3)."""
    mesh = trimesh.Trimesh(
        *(y_up(vertices), triangles),
        vertex_normals=y_up(normals),
        vertex_attributes={COLOUR: linear(colours / 255.0).astype(np.float32)},
        process=False,
    )
    data: bytes = trimesh.exchange.gltf.export_glb(
        trimesh.Scene(mesh), include_normals=True, tree_postprocessor=_finish
    )
    return data


def y_up(vectors: Array) -> Array:
    """Vectors (P, 3) with z upwards in axes with y upwards."""
    x, y, z = vectors.T
    return np.stack([x, z, -y], -1)


def linear(colours: Array) -> Array:
    """sRGB colours (..., 3) in [0, 1] in proportion to light (IEC 61966-2-1)."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def _finish(tree: dict[str, Any]) -> None:
    tree["extensionsUsed"] = [UNLIT]
    tree["materials"] = [{"extensions": {UNLIT: {}}}]
    for mesh in tree["meshes"]:
        for primitive in mesh["primitives"]:
            primitive["material"] = 0
            primitive["attributes"]["COLOR_0"] = primitive["attributes"].pop(COLOUR)
