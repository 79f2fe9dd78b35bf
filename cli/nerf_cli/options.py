"""Options that several commands share."""

import re
from pathlib import Path
from typing import Annotated

import typer

from nerf_cli.choosing import Stage
from nerf_cli.manifest import Space

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> float:
    """A duration such as `90`, `90s`, `30m` or `1h30m`, in seconds."""
    if re.fullmatch(r"\d+", text):
        return float(text)
    if not re.fullmatch(r"(\d+[smhd])+", text):
        raise typer.BadParameter(f"{text!r} is not a duration such as 90s, 30m or 1h30m")
    return float(sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)([smhd])", text)))


Folder = Annotated[
    Path, typer.Argument(help="The folder with the photos, or the video.", show_default=False)
]
Job = Annotated[str, typer.Argument(metavar="NAME", help="Name of the NeRFJob.")]

Namespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help="Namespace; that of the current context by default."),
]
Context = Annotated[str | None, typer.Option(help="Context of the kubeconfig to use.")]
Kubeconfig = Annotated[
    Path | None, typer.Option(help="Kubeconfig file; KUBECONFIG or ~/.kube/config by default.")
]

Name = Annotated[
    str | None, typer.Option(help="Name of the job; made from the folder's by default.")
]
Claim = Annotated[
    str | None,
    typer.Option(help="PersistentVolumeClaim for the photos; NAME-photos by default."),
]
OnVolume = Annotated[
    str | None,
    typer.Option("--path", help="Folder on the volume; named like the folder by default."),
]
Gpus = Annotated[int, typer.Option(min=0, max=16, help="GPUs of each worker; 0 is the CPU.")]
Workers = Annotated[int, typer.Option(min=1, max=1024, help="Worker pods.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Training steps.")]
SceneSpace = Annotated[
    Space | None,
    typer.Option(help="Whether there is a background around the scene; guessed by default."),
]

Size = Annotated[
    str | None, typer.Option(help="Size of a claim that is made; 10Gi or more by default.")
]
StorageClass = Annotated[str | None, typer.Option(help="Storage class of a claim that is made.")]
Shared = Annotated[
    bool,
    typer.Option("--shared", help="Make it ReadWriteMany, so that workers may use several nodes."),
]
Delete = Annotated[
    bool,
    typer.Option(
        "--delete",
        help="Delete files on the volume that are not in the folder; hidden ones, and results of "
        "jobs, stay.",
    ),
]
Image = Annotated[
    str | None,
    typer.Option(help="Image of the pod that copies; the operator's trainer image by default."),
]

Timeout = Annotated[
    float | None,
    typer.Option(
        parser=seconds, metavar="DURATION", help="Stop watching after this, such as 90s or 2h."
    ),
]
Manifest = Annotated[
    Path | None, typer.Option("--filename", "-f", help="NeRFJob to run, as `init` writes it.")
]
Replace = Annotated[
    bool,
    typer.Option(
        "--replace",
        help="Delete a job of that name first, and its results unless their claim is kept.",
    ),
]
Checkpoints = Annotated[
    bool, typer.Option("--checkpoints", help="The checkpoints too; they are large.")
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come.")]
LogStage = Annotated[Stage | None, typer.Option(help="Of which part; what runs now by default.")]
Worker = Annotated[int | None, typer.Option(min=0, help="Index of the worker.")]
Port = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Port here; a free one by default.")
]
Enable = Annotated[bool, typer.Option("--enable", help="Turn the job's viewer on, if it is off.")]
NoOpen = Annotated[bool, typer.Option("--no-open", help="Print the address, and open no browser.")]
