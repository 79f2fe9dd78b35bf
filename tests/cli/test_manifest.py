"""The NeRFJob that is written for a folder."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from nerf_cli import manifest
from nerf_cli.errors import UserError
from nerf_cli.folder import Folder, Format, Photos
from nerf_contract import crd
from nerf_contract.outputs import OutputsConfig

WISHES = manifest.Wishes("scene", "scene-photos", "scene")


def found(format_: Format = "photos", transparent: bool = False, camera: str = "ACME") -> Folder:
    photos = Photos(30, Counter({(960, 720): 30}), Counter({camera: 30}), transparent)
    return Folder(Path("/photos/my scene"), format_, photos, (), ())


def wanted_outputs(path: str) -> dict[str, object]:
    everything = OutputsConfig.everything().model_dump()
    return everything | {"video": everything["video"] | {"path": path}}


@pytest.mark.parametrize("gpus", [0, 1, 4])
@pytest.mark.parametrize("workers", [1, 3, 7, 64])
@pytest.mark.parametrize("format_", ["photos", "nerfstudio", "blender", "colmap", "llff"])
def test_it_is_valid_and_says_what_was_asked_for(format_: Format, workers: int, gpus: int) -> None:
    wishes = manifest.Wishes("scene", "claim", "on/volume", workers, gpus)
    job = manifest.parse(manifest.text(found(format_), wishes), "it")
    spec = manifest.spec_of(job, "it")
    assert job["metadata"]["name"] == "scene"
    assert (spec.dataset.claim_name, spec.dataset.path) == ("claim", "on/volume")
    assert (spec.workers.replicas, spec.workers.gpus_per_worker) == (workers, gpus)
    assert spec.training.device == ("cuda" if gpus else "cpu")
    path = "cameras" if spec.model.space == "unbounded" else "orbit"
    assert spec.outputs.model_dump() == wanted_outputs(path)
    assert not spec.viewer.enabled


@pytest.mark.parametrize("gpus", [0, 1])
def test_of_videos_it_tells_how_many_frames(gpus: int) -> None:
    videos = Folder(Path("/photos/walk"), "video", Photos(), (), (), videos=2)
    text = manifest.text(videos, replace(WISHES, gpus=gpus))
    assert text.startswith("# walk: 2 videos; ")
    assert "format: auto # found here: video" in text
    spec = manifest.spec_of(manifest.parse(text, "it"), "it")
    assert (spec.dataset.video.frames, spec.dataset.downscale) == (120, None)
    assert spec.model.space == "unbounded"
    assert ("# downscale: 3" in text) == (gpus == 0), "a hint, as nobody has looked into the video"
    assert "frames:" not in manifest.text(found(), WISHES)


def test_the_comment_tells_what_was_found() -> None:
    first = manifest.text(found(), WISHES).splitlines()[0]
    assert first.startswith("# my scene: 30 photos of 960 x 720 by ACME; ")
    assert "format: auto # found here: colmap" in manifest.text(found("colmap"), WISHES)


@pytest.mark.parametrize(
    ("format_", "transparent", "want"),
    [
        ("photos", False, "unbounded"),
        ("photos", True, "bounded"),
        ("colmap", False, "unbounded"),
        ("colmap", True, "bounded"),
        ("nerfstudio", False, "bounded"),
        ("blender", True, "bounded"),
    ],
)
def test_the_space_follows_format_and_transparency(
    format_: Format, transparent: bool, want: str
) -> None:
    text = manifest.text(found(format_, transparent), WISHES)
    assert manifest.spec_of(manifest.parse(text, "it"), "it").model.space == want


def test_a_cpu_gets_small_photos_and_a_scene_with_a_background_no_haze() -> None:
    spec = manifest.spec_of(manifest.parse(manifest.text(found(), WISHES), "it"), "it")
    assert (spec.dataset.downscale, spec.model.background) == (2, "random")
    on_gpu = manifest.Wishes("scene", "claim", "scene", gpus=1)
    spec = manifest.spec_of(manifest.parse(manifest.text(found("blender"), on_gpu), "it"), "it")
    assert (spec.dataset.downscale, spec.model.background) == (None, "white")


def test_wishes_win() -> None:
    wishes = manifest.Wishes("s", "c", "p", steps=77, space="bounded")
    spec = manifest.spec_of(manifest.parse(manifest.text(found(), wishes), "it"), "it")
    assert (spec.model.space, spec.training.steps) == ("bounded", 77)


@pytest.mark.parametrize("name", ["on", "123", "a: b", "x # y", 'q"uote', "null"])
def test_names_that_yaml_would_misread_are_quoted(name: str) -> None:
    job = yaml.safe_load(manifest.text(found(), manifest.Wishes("scene", "claim", name)))
    assert job["spec"]["dataset"]["path"] == name


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("My Scene_2", "my-scene-2"),
        ("2024-05 Kitchen", "scene-2024-05-kitchen"),
        ("café", "caf-850f7d"),
        ("cafe\N{COMBINING ACUTE ACCENT}", "caf-850f7d"),
        ("...", "scene-ab5df6"),
        ("x" * 42, "x" * 42),
        ("x" * 43, "x" * 35 + "-cc0b1c"),
    ],
)
def test_folder_names_become_job_names(text: str, want: str) -> None:
    job = crd.crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["metadata"]
    schema = job["properties"]["name"]
    name = manifest.slug(text)
    assert name == want
    assert len(name) <= schema["maxLength"]
    assert re.match(schema["pattern"], name)


@pytest.mark.parametrize(
    "texts", [("写真", "写生"), ("写真2", "写生2"), ("🏠", "..."), ("x" * 50, "x" * 51)]
)
def test_two_folders_whose_names_lose_characters_have_two_names(texts: tuple[str, str]) -> None:
    assert len({manifest.slug(text) for text in texts}) == 2


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{", "job.yaml is not YAML"),
        ("kind: Pod", "holds 0 objects of kind NeRFJob"),
        ("kind: NeRFJob\nspec: {dataset: {claimName: c}}", "metadata.name is missing"),
        ("kind: NeRFJob\nspec: {}", r"job.yaml: spec.dataset: Field required"),
        ("kind: NeRFJob\nspec: {dataset: {claimName: c}, trainig: {}}", r"spec.trainig: Extra"),
    ],
)
def test_a_bad_file_is_named_with_its_field(document: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        manifest.parse(document, "job.yaml")


def test_photos_need_a_claim_to_go_to() -> None:
    archive = {"url": "https://example.com/a.zip", "sha256": "0" * 64}
    job = {"kind": "NeRFJob", "spec": {"dataset": {"archive": archive}}}
    with pytest.raises(UserError, match=r"job.yaml: spec.dataset.claimName is missing"):
        manifest.place_of(job, "job.yaml")
