"""The export stage: each output, and what is in it."""

import base64
import html
import io
import json
import re
import socket
import struct
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import av  # noqa: E402
import onnx  # noqa: E402
import trimesh  # noqa: E402
from exported import BOUND, OUTPUTS, SECRETS, STEPS, TrainedJob, copied, trained_job  # noqa: E402
from PIL import Image  # noqa: E402
from scene_files import RADIUS  # noqa: E402

from nerf_contract import names  # noqa: E402
from nerf_trainer.evaluate import psnr  # noqa: E402
from nerf_trainer.export import network, video  # noqa: E402
from nerf_trainer.export.points import is_solid  # noqa: E402
from nerf_trainer.export.scene import TrainedScene, open_scene  # noqa: E402
from nerf_trainer.stage import StageBoard  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def done() -> Iterator[TrainedJob]:
    job = trained_job()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(names.ENV_DATASET_ROOT, str(job.dataset))
        yield job


@pytest.fixture(scope="module")
def scene(done: TrainedJob) -> TrainedScene:
    return open_scene(done.config, done.folder)


@pytest.fixture(scope="module")
def frames(done: TrainedJob) -> list[np.ndarray]:
    with av.open(str(done.outputs / "video.mp4")) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def mesh(done: TrainedJob) -> trimesh.Trimesh:
    return trimesh.load(done.outputs / "mesh.ply", process=False)


def test_the_manifest_tells_what_was_made(done: TrainedJob) -> None:
    manifest = json.loads((done.outputs / "outputs.json").read_text())
    assert manifest["checkpointStep"] == STEPS
    assert set(manifest["outputs"]) == set(OUTPUTS)
    assert manifest["outputs"]["video"]["frames"] == 8
    assert manifest["outputs"]["video"]["settings"]["framesPerSecond"] == 8
    assert manifest["outputs"]["onnx"]["densityError"] <= 1e-4
    files = {f for output in manifest["outputs"].values() for f in output["files"]}
    assert {*files, "outputs.json"} == set(done.times())


def test_the_video_shows_the_scene(
    frames: list[np.ndarray], done: TrainedJob, scene: TrainedScene
) -> None:
    picture = scene.cameras.picture(32)
    assert [frame.shape for frame in frames] == [(picture.height, picture.width, 3)] * 8
    wanted = done.config.outputs.video
    assert wanted is not None
    for frame, pose in zip(frames, video.path(scene, wanted, 8), strict=True):
        rendered = scene.render(pose, picture)
        assert rendered.std() > 20
        assert psnr(*(torch.from_numpy(x / 255.0) for x in (frame, rendered))) > 22


def test_the_video_turns_around_the_scene(frames: list[np.ndarray]) -> None:
    first = frames[0].astype(float)
    assert all(np.abs(frame - first).mean() > 3 for frame in frames[1:])


def test_the_video_plays_from_its_beginning_and_bears_no_date(done: TrainedJob) -> None:
    data = (done.outputs / "video.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    with av.open(str(done.outputs / "video.mp4")) as container:
        assert "creation_time" not in container.metadata
        stream = container.streams.video[0]
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.average_rate == 8


def test_stills_have_the_size_of_the_photos(done: TrainedJob) -> None:
    stills = sorted((done.outputs / "stills").iterdir())
    assert [path.name for path in stills] == ["still_000.png", "still_001.png"]
    for path in stills:
        with Image.open(path) as image:
            assert image.size == (32, 32)
            assert np.asarray(image).std() > 20


def test_the_mesh_is_the_ball(mesh: trimesh.Trimesh) -> None:
    assert np.abs(mesh.bounds).max() <= BOUND
    distance = np.linalg.norm(mesh.vertices, axis=-1)
    assert np.median(distance) == pytest.approx(RADIUS, abs=0.1)
    assert mesh.is_watertight
    assert mesh.volume > 0  # the triangles face outwards
    outside = distance > RADIUS - 0.04
    outward = (mesh.vertex_normals * mesh.vertices).sum(-1) / distance
    assert np.median(outward[outside]) > 0.7


def test_the_mesh_has_the_colours_of_the_ball(mesh: trimesh.Trimesh) -> None:
    outside = np.linalg.norm(mesh.vertices, axis=-1) > RADIUS - 0.1
    colours = mesh.visual.vertex_colors[outside, :3].astype(float)
    truth = (0.5 + 0.5 * np.sin(3 * mesh.vertices[outside])) * 255
    assert np.median(np.abs(colours - truth)) < 40
    assert colours.std() > 30


def glb_parts(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON and the binary part of a GLB file."""
    magic, version, length, size, kind = struct.unpack_from("<4s4I", data)
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), 0x4E4F534A)
    return json.loads(data[20 : 20 + size]), data[28 + size :]


def test_the_glb_is_the_mesh_with_y_upwards(done: TrainedJob, mesh: trimesh.Trimesh) -> None:
    found = trimesh.load_mesh(done.outputs / "mesh.glb", process=False)
    np.testing.assert_array_equal(found.faces, mesh.faces)
    x, z, back = found.vertices.T
    np.testing.assert_allclose(np.stack([x, -back, z], -1), mesh.vertices, atol=1e-6)


def test_the_glb_has_linear_colours_that_need_no_light(
    done: TrainedJob, mesh: trimesh.Trimesh
) -> None:
    tree, binary = glb_parts((done.outputs / "mesh.glb").read_bytes())
    primitive = tree["meshes"][0]["primitives"][0]
    assert "KHR_materials_unlit" in tree["extensionsUsed"]
    assert "KHR_materials_unlit" in tree["materials"][primitive["material"]]["extensions"]
    accessor = tree["accessors"][primitive["attributes"]["COLOR_0"]]
    assert (accessor["componentType"], accessor["type"]) == (5126, "VEC3")
    start = tree["bufferViews"][accessor["bufferView"]]["byteOffset"]
    light = np.frombuffer(binary, "<f4", 3 * accessor["count"], start).reshape(-1, 3)
    back = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    np.testing.assert_array_equal(np.round(back * 255), mesh.visual.vertex_colors[:, :3])


def test_the_points_lie_on_the_ball_in_its_colours(done: TrainedJob) -> None:
    cloud = trimesh.load(done.outputs / "points.ply")
    assert 500 < len(cloud.vertices) < 4000  # the rest of the pictures is background
    distance = np.linalg.norm(cloud.vertices, axis=-1)
    assert np.percentile(np.abs(distance - RADIUS), 80) < 0.15
    truth = (0.5 + 0.5 * np.sin(3 * cloud.vertices)) * 255
    assert np.median(np.abs(cloud.colors[:, :3] - truth)) < 40


def test_points_in_empty_air_are_left_out() -> None:
    sigma, t = torch.tensor([0.0, 0.1, 100.0, 100.0]), torch.tensor([3.0, 3.0, 3.0, 0.01])
    assert is_solid(sigma, t).tolist() == [False, False, True, False]


def test_the_network_is_a_single_file_for_any_number_of_points(done: TrainedJob) -> None:
    path = done.outputs / "field.onnx"
    model = onnx.load(path)
    onnx.checker.check_model(model)
    assert {opset.version for opset in model.opset_import} == {17}
    operators = {node.op_type for node in model.graph.node}
    assert not {op for op in operators if op.startswith("Bit") or op in ("Mod", "Loop", "If")}
    for count in (1, 1000):
        x = torch.zeros(count, 3)
        density, colour = network.run_network(path, x, x + torch.tensor([0.0, 0.0, 1.0]))
        assert (density.shape, colour.shape) == ((count,), (count, 3))


def test_the_network_gives_what_the_scene_gives(done: TrainedJob, scene: TrainedScene) -> None:
    found = network.parity(scene, done.outputs / "field.onnx")
    assert found.density <= 1e-4
    assert found.colour <= 1e-4
    sigma, _ = network.evaluate(scene, *network.random_points(BOUND))
    assert sigma.max() > 10  # there is something to compare


class Page(HTMLParser):
    """Tags, addresses and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        named = ("src", "href", "srcset", "poster", "action", "data", "xlink:href")
        self.addresses += [value or "" for name, value in attrs if name in named]

    def handle_data(self, data: str) -> None:
        self.text += data


def page(job: TrainedJob) -> Page:
    return Page((job.outputs / "report.html").read_text())


def test_the_report_needs_nothing_but_itself(done: TrainedJob) -> None:
    text = (done.outputs / "report.html").read_text()
    found = page(done)
    assert all(address.startswith("data:") for address in found.addresses)
    assert {"script", "link", "iframe", "object"}.isdisjoint(found.tags)
    assert "default-src 'none'" in text
    assert not re.findall(r"url\(|@import|https?://", text)


def test_the_report_shows_the_training_and_the_outputs(done: TrainedJob) -> None:
    found = page(done)
    metrics = json.loads((done.folder / "metrics.json").read_text())
    assert f"{metrics['psnr']:.2f} dB" in found.text
    assert "ball" in found.text
    assert {"video", "svg", "table", "details"} <= set(found.tags)
    assert found.tags.count("img") == 2 + 2  # stills and held-out photos
    assert found.tags.count("circle") == 4  # two evaluations, two curves
    assert "model.sceneBound" in found.text


def test_a_page_is_not_made_of_what_photos_are_called(done: TrainedJob, tmp_path: Path) -> None:
    others = dict.fromkeys(("video", "stills", "mesh", "points", "onnx"))
    job = copied(done, tmp_path, "outputs").wanting(**others)
    metrics = json.loads((job.folder / "metrics.json").read_text())
    metrics["views"][0]["name"] = "Annegret/<script>alert(1)</script>"
    metrics["views"][1]["name"] = "Annegret/<b>.png"
    (job.folder / "metrics.json").write_text(json.dumps(metrics))
    assert job.export().made == ["report.html"]
    found = page(job)
    assert "script" not in found.tags
    assert "<b>.png" in found.text
    assert "Annegret" not in found.text


def test_no_output_tells_who_took_the_photos_and_where(done: TrainedJob) -> None:
    hidden = [*SECRETS, str(done.dataset), str(done.folder), socket.gethostname(), "GPS"]
    text = html.unescape((done.outputs / "report.html").read_text())
    embedded = [base64.b64decode(x) for x in re.findall(r"base64,([A-Za-z0-9+/=]+)", text)]
    text = re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
    kinds = (".mp4", ".ply", ".glb", ".onnx", ".json")
    files = [p.read_bytes() for p in done.outputs.rglob("*") if p.suffix in kinds]
    assert len(files) == 6
    assert len(embedded) == 6  # video, its poster, stills, held-out photos
    for secret in hidden:
        assert secret not in text
        assert all(secret.encode() not in data for data in [*files, *embedded])


def test_pictures_have_no_metadata(done: TrainedJob) -> None:
    text = (done.outputs / "report.html").read_text()
    jpegs = re.findall(r"image/jpeg;base64,([A-Za-z0-9+/=]+)", text)
    pictures = [io.BytesIO(base64.b64decode(jpeg)) for jpeg in jpegs]
    pictures += [io.BytesIO(path.read_bytes()) for path in done.outputs.rglob("*.png")]
    assert len(pictures) == 7
    for picture in pictures:
        with Image.open(picture) as image:
            assert not image.getexif()
            assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_the_board_goes_from_one_output_to_the_next(done: TrainedJob, tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []

    class Listening(StageBoard):
        def update(self, activity: str, done: float) -> None:
            super().update(activity, done)
            told.append((activity, done))

    job = copied(done, tmp_path, "outputs").wanting(video=None, mesh=None, points=None)
    job.export(Listening("export"))
    activities = list(dict.fromkeys(activity for activity, _ in told))
    assert activities == ["stills", "onnx", "report", "done"]
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
