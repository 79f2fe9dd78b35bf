"""`field.onnx`: the field as a network that other programs run, checked against the original."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nerf_contract.outputs import OnnxOutput
from nerf_trainer.export.failure import OutputError
from nerf_trainer.export.portable import PortableField
from nerf_trainer.export.scene import TrainedScene

FILE = "field.onnx"
OPSET = 17
INPUTS, OUTPUTS = ("position", "direction"), ("density", "colour")
#: Points of the check, within a cube that is so many times as large as the scene's.
POINTS = 8192
AROUND = 1.25
SEED = 0


@dataclass(frozen=True)
class Parity:
    """The largest differences: of densities d, relative to 1 + d; of colours in [0, 1]."""

    density: float
    colour: float


def make_network(scene: TrainedScene, wanted: OnnxOutput, folder: Path) -> dict[str, object]:
    """Write `field.onnx` and check it. Returns figures.

    Raises OutputError where onnxruntime finds something else than the field in fp32.
    """
    path = folder / FILE
    write_network(PortableField(scene.field).eval(), path)
    found = parity(scene, path)
    if not max(found.density, found.colour) <= wanted.tolerance:
        raise OutputError(
            f"the network differs from the scene by {found.density:.1e} in density and "
            f"{found.colour:.1e} in colour, more than outputs.onnx.tolerance {wanted.tolerance:g}. "
            "Raise it if that is good enough for you."
        )
    errors = {"densityError": found.density, "colourError": found.colour}
    return {"opset": OPSET, "points": POINTS, **errors, "tolerance": wanted.tolerance}


def write_network(field: PortableField, path: Path) -> None:
    """Write a field with inputs and outputs of any number N of points."""
    example = torch.rand(2, 3), torch.nn.functional.normalize(torch.rand(2, 3), dim=-1)
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter warns that it is the older one: the newer needs yet another package.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            *(field, example, str(path)),
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            opset_version=OPSET,
            dynamic_axes={name: {0: "N"} for name in (*INPUTS, *OUTPUTS)},
            dynamo=False,
        )


def parity(scene: TrainedScene, path: Path) -> Parity:
    """Compare the file under onnxruntime with the scene's own field, in fp32, at random points."""
    position, direction = random_points(scene.bound)
    ours = evaluate(scene, position, direction)
    theirs = run_network(path, position, direction)
    density, colour = (np.abs(a - b.astype(np.float64)) for a, b in zip(ours, theirs, strict=True))
    return Parity(float((density / (1 + np.abs(ours[0]))).max()), float(colour.max()))


def random_points(bound: float) -> tuple[Tensor, Tensor]:
    """Positions in and around the scene's cube, and unit directions, (POINTS, 3) each."""
    generator = torch.Generator().manual_seed(SEED)
    position = (torch.rand(POINTS, 3, generator=generator) * 2 - 1) * bound * AROUND
    direction = torch.randn(POINTS, 3, generator=generator)
    return position, torch.nn.functional.normalize(direction, dim=-1)


@torch.no_grad()
def evaluate(
    scene: TrainedScene, position: Tensor, direction: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Density (N,) and colour (N, 3) by the scene's own field, as float64."""
    sigma, rgb = scene.field(position.to(scene.device), direction.to(scene.device))
    return sigma.double().cpu().numpy(), rgb.double().cpu().numpy()


def run_network(path: Path, position: Tensor, direction: Tensor) -> list[np.ndarray]:
    """The same by onnxruntime, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feeds = dict(zip(INPUTS, (position.numpy(), direction.numpy()), strict=True))
    return session.run(list(OUTPUTS), feeds)
