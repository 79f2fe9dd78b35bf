"""`report.html`: one page that shows how the training went and what came of it.

It needs nothing but itself: pictures and the video are in it, and it asks no server for anything.
Of the dataset it tells the names of photos, without their folders.
"""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import av
import jinja2
from PIL import Image

from nerf_contract import names
from nerf_contract.training import TrainerConfig
from nerf_trainer.export.chart import line_chart
from nerf_trainer.export.failure import OutputError
from nerf_trainer.export.manifest import Manifest
from nerf_trainer.export.scene import TrainedScene
from nerf_trainer.export.video import VIDEO_FILE
from nerf_trainer.failures import TrainerFailure

Document = dict[str, Any]

FILE = "report.html"
TEMPLATE = "report.html.j2"
#: A larger video is left beside the page.
MAX_VIDEO_BYTES = 8 << 20
#: So many pictures of each kind, so large at most.
MAX_PICTURES, MAX_WIDTH = 8, 1280
JPEG_QUALITY = 85


def make_report(scene: TrainedScene, manifest: Manifest, folder: Path, target: Path) -> Document:
    """Write `report.html` into `target`. folder: the job's. Returns figures.

    Raises OutputError where the training has left no metrics.json that can be read.
    """
    metrics = _metrics(folder / names.METRICS_FILE)
    outputs = folder / names.OUTPUTS_DIR
    page = _template().render(
        job=folder.name if folder.name != "output" else "",
        metrics=metrics,
        scores=_scores(metrics, _photos(scene)),
        charts=_charts(metrics["history"]),
        views=_views(metrics["views"], folder / names.RENDERS_DIR),
        stills=[_jpeg(path) for path in sorted(outputs.glob("stills/*.png"))[:MAX_PICTURES]],
        video=_video(outputs / VIDEO_FILE, manifest),
        outputs=manifest.outputs,
        failed=manifest.failed,
        settings=settings(scene.config),
    )
    (target / FILE).write_text(page, encoding="utf-8")
    return {"bytes": len(page.encode())}


def settings(config: TrainerConfig) -> list[tuple[str, str, bool]]:
    """Name, value, and whether it was set to other than its default; those come first."""
    now, default = dict(_flat(config)), dict(_flat(TrainerConfig()))
    found = [(name, json.dumps(v), v != default.get(name)) for name, v in now.items()]
    return sorted(found, key=lambda setting: not setting[2])


def _flat(config: TrainerConfig) -> Iterator[tuple[str, Any]]:
    """Settings by dotted name. Where the dataset came from is nobody's business."""
    document = config.model_dump(
        mode="json", by_alias=True, exclude={"dataset": {"archive", "path"}}
    )
    for section, fields in document.items():
        for name, value in fields.items():
            yield f"{section}.{name}", value


def _metrics(path: Path) -> Document:
    try:
        metrics = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise OutputError("the training left no metrics.json to report on. Train on.") from error
    except ValueError as error:
        raise OutputError(f"metrics.json is not JSON ({error}). Train on to renew it.") from error
    return dict(metrics)


def _photos(scene: TrainedScene) -> int | None:
    """How many were trained on; None where the dataset is no longer there."""
    try:
        return len(scene.cameras.poses)
    except TrainerFailure:
        return None


def _scores(metrics: Document, photos: int | None) -> list[tuple[str, str]]:
    """What the page tells first: names and values with units."""
    told = [
        ("Held-out PSNR", metrics.get("psnr"), "{:.2f} dB"),
        ("Held-out SSIM", metrics.get("ssim"), "{:.3f}"),
        ("Photos trained on", photos, "{:,}"),
        ("Photos held out", len(metrics["views"]), "{:,}"),
        ("Steps", metrics.get("step"), "{:,}"),
        ("Rays in a second", metrics.get("raysPerSecond"), "{:,.0f}"),
        ("Training time", metrics.get("trainingSeconds"), "{:,.0f} s"),
        ("Processes", metrics.get("worldSize"), "{}"),
        ("Memory of the first", _mebibytes(metrics.get("peakRssBytes")), "{:,.0f} MiB"),
        ("Memory of its GPU", _mebibytes(metrics.get("peakGpuBytes")), "{:,.0f} MiB"),
    ]
    return [(name, form.format(value)) for name, value, form in told if value is not None]


def _mebibytes(count: float | None) -> float | None:
    return None if count is None else count / (1 << 20)


def _charts(history: list[Document]) -> list[str]:
    """Curves of the held-out scores, where there is more than one evaluation to draw."""
    steps = [entry["step"] for entry in history]
    curves = {"Held-out PSNR (dB)": "psnr", "Held-out SSIM": "ssim"}
    return [
        line_chart(title, steps, [entry[key] for entry in history])
        for title, key in curves.items()
        if len(steps) > 1
    ]


def _views(views: list[Document], renders: Path) -> list[Document]:
    """Name, scores and picture of held-out views; the pictures of the first ones only."""
    pictures = sorted(renders.glob("view_*.png"))[:MAX_PICTURES]
    jpegs = {int(path.stem.removeprefix("view_")): _jpeg(path) for path in pictures}
    return [
        {**view, "name": PurePosixPath(view["name"]).name, "picture": jpegs.get(i)}
        for i, view in enumerate(views)
    ]


def _video(path: Path, manifest: Manifest) -> Document | None:
    """The video as data, unless it is too large, and its first frame."""
    if "video" not in manifest.outputs:
        return None
    with av.open(str(path)) as container:
        first = next(container.decode(video=0)).to_image()
    small = path.stat().st_size <= MAX_VIDEO_BYTES
    data = f"data:video/mp4;base64,{_base64(path.read_bytes())}" if small else None
    return {"data": data, "poster": _embedded(first), "file": path.name}


def _jpeg(path: Path) -> str:
    """A picture of ours as data, not larger than the page needs."""
    with Image.open(path) as image:
        return _embedded(image.convert("RGB"))


def _embedded(image: Image.Image) -> str:
    image.thumbnail((MAX_WIDTH, MAX_WIDTH))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{_base64(buffer.getvalue())}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("nerf_trainer.export", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE)
