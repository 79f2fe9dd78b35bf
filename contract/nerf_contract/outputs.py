"""What is made of a trained scene: `spec.outputs`, read by the export stage."""

from typing import Literal

from pydantic import Field

from nerf_contract.base import Model


class VideoOutput(Model):
    """`video.mp4`: a flight through the scene."""

    path: Literal["orbit", "spiral", "cameras"] = Field(
        default="orbit",
        description="`orbit` goes around the scene at the cameras' height; `spiral` sways in front "
        "of it, for photos from one side; `cameras` flies through the training cameras.",
    )
    seconds: float = Field(default=6, gt=0, le=600, description="Length of the video.")
    frames_per_second: int = Field(default=12, ge=1, le=120, description="Frames in a second.")
    width: int = Field(
        default=240,
        ge=16,
        le=7680,
        description="Most pixels of a row; those of the photos if they have less.",
    )


class StillsOutput(Model):
    """`stills/`: pictures from places along the video's path."""

    count: int = Field(default=4, ge=1, le=1000, description="How many.")


class MeshOutput(Model):
    """`mesh.ply` and `mesh.glb`: the surface, with a colour for each vertex."""

    resolution: int = Field(
        default=160, ge=16, le=1024, description="Cells along an edge of the scene's cube."
    )
    density: float | None = Field(
        default=None,
        gt=0,
        description="Density of the surface, in 1 per unit of length; if absent, that which blocks "
        "half of the light within a cell.",
    )


class PointsOutput(Model):
    """`points.ply`: what the training cameras see, as coloured points."""

    count: int = Field(
        default=100_000,
        ge=100,
        le=100_000_000,
        description="How many are looked for; none are where the cameras see nothing solid.",
    )


class OnnxOutput(Model):
    """`field.onnx`: density and colour at a point, checked against the original."""

    tolerance: float = Field(
        default=1e-4, gt=0, le=1, description="Largest error that onnxruntime may show."
    )


class ReportOutput(Model):
    """`report.html`: curves, pictures, figures and settings, in one file."""


class OutputsConfig(Model):
    """Made after the training, each where its section is there (`{}` takes the defaults)."""

    video: VideoOutput | None = None
    stills: StillsOutput | None = None
    mesh: MeshOutput | None = None
    points: PointsOutput | None = None
    onnx: OnnxOutput | None = None
    report: ReportOutput | None = None

    @staticmethod
    def everything() -> "OutputsConfig":
        """All outputs, as they are by default."""
        return OutputsConfig(
            video=VideoOutput(),
            stills=StillsOutput(),
            mesh=MeshOutput(),
            points=PointsOutput(),
            onnx=OnnxOutput(),
            report=ReportOutput(),
        )

    @property
    def wanted(self) -> bool:
        """Whether any is to be made."""
        return any(getattr(self, name) is not None for name in type(self).model_fields)
