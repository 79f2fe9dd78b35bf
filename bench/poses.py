"""Speed and exactness of the poses stage, in the trainer's image, on this machine.

    make bench-poses                   the demo scene, 50 photos of 960 pixels, without its poses

The stage runs as in its pod: photos that nobody knows anything of, and default settings. Cameras
are then aligned with the true ones by a similarity. The last line of the output is one JSON object.

Names: V cameras, a found and b true. Poses are camera-to-world (V, 4, 4).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine
from numpy.typing import NDArray

CHECKOUT = Path(__file__).resolve().parents[1]
IN_TRAINER = CHECKOUT / "tools" / "images" / "in-trainer"
#: What the still life lies in: `SCENE_RADIUS` of nerf_trainer/scenes/demo.py.
SCENE_RADIUS = 1.35
Array = NDArray[np.float64]
Document = dict[str, Any]


def main() -> int:
    """Render, find the poses, compare, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=int, default=50, help="default 50")
    parser.add_argument("--width", type=int, default=960, help="pixels along an edge; default 960")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        work.chmod(0o777)
        print(f"rendering {arguments.photos} photos of {arguments.width} pixels", flush=True)
        size = ["--photos", str(arguments.photos), "--width", str(arguments.width)]
        run(work, "nerf_trainer.scenes.demo", "--out", "/x/scene", *size, "--truth", "/x/true.json")
        began = time.monotonic()
        run(work, "nerf_trainer.prepare", "--config", "/x/config.json")
        seconds = time.monotonic() - began
        print(json.dumps(figures(work) | {"stage_s": round(seconds, 1), **circumstances()}))
    return 0


def run(work: Path, module: str, *arguments: str) -> None:
    """Run a module in the image, with the folder at /x."""
    (work / "config.json").write_text(json.dumps({"dataset": {"path": "scene"}}))
    command = [str(IN_TRAINER), "-v", f"{work}:/x", "-e", "NERF_DATASET_ROOT=/x", "--"]
    done = subprocess.run(
        [*command, "python3", "-m", module, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{done.stdout[-5000:]}\nbench: {module} failed")


def circumstances() -> Document:
    """Where and when."""
    return {"machine": machine(), "date": time.strftime("%Y-%m-%d")}


def figures(work: Path) -> Document:
    """How long it took, how many photos got a camera, and how exact they are."""
    place = next(path.parent for path in (work / "scene").glob(".nerf/poses/*/report.json"))
    report = json.loads((place / "report.json").read_text())
    found = cameras(place / "transforms.json")
    true = cameras(work / "true.json")
    names = sorted(found)
    a, b = (np.stack([part[name] for name in names]) for part in (found, true))
    distances = 100 * np.linalg.norm(aligned(a, b) - b[:, :3, 3], axis=1) / SCENE_RADIUS
    angles = relative_angles(a, b)
    return {
        "photos": report["photos"],
        "posed": len(names),
        "poses_s": report["seconds"],
        "reprojection_error_px": round(report["error"], 3),
        "centres_mean_percent_of_radius": round(float(distances.mean()), 3),
        "centres_max_percent_of_radius": round(float(distances.max()), 3),
        "relative_rotations_median_degrees": round(float(np.median(angles)), 4),
        "relative_rotations_max_degrees": round(float(angles.max()), 4),
    }


def cameras(transforms: Path) -> dict[str, Array]:
    """Poses (4, 4) by the names of the photos."""
    frames = json.loads(transforms.read_text())["frames"]
    return {Path(f["file_path"]).name: np.array(f["transform_matrix"]) for f in frames}


def aligned(a: Array, b: Array) -> Array:
    """Centres (V, 3) of a, moved by the similarity that fits them best on those of b.

    Umeyama: Least-squares estimation of transformation parameters, TPAMI 1991.
    """
    x, y = (part[:, :3, 3] - part[:, :3, 3].mean(0) for part in (a, b))
    left, sizes, right = np.linalg.svd(y.T @ x)
    flip = np.array([1, 1, np.linalg.det(left @ right)])
    scale = (sizes * flip).sum() / (x * x).sum()
    moved: Array = scale * x @ (left * flip @ right).T + b[:, :3, 3].mean(0)
    return moved


def relative_angles(a: Array, b: Array) -> Array:
    """Degrees between the found and the true rotation from one camera to another, for all pairs."""
    first, second = np.triu_indices(len(a), 1)
    turns = [x[first, :3, :3].transpose(0, 2, 1) @ x[second, :3, :3] for x in (a, b)]
    cosines = (np.einsum("vij,vij->v", *turns) - 1) / 2
    angles: Array = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    return angles


if __name__ == "__main__":
    sys.exit(main())
