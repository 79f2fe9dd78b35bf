"""The API server accepts what is right and says what is wrong with the rest."""

import urllib.error
from pathlib import Path
from typing import Any

import pytest
import yaml
from operator_support.cluster import Namespace, nerf_job, rejection

SAMPLES = Path(__file__).parents[3] / "manifests" / "samples"


def samples() -> list[dict[str, Any]]:
    docs = [d for f in SAMPLES.glob("*.yaml") for d in yaml.safe_load_all(f.read_text())]
    return [doc for doc in docs if doc and doc["kind"] == "NeRFJob"]


@pytest.mark.parametrize("sample", samples(), ids=lambda s: s["metadata"]["name"])
def test_samples_are_accepted(bare: Namespace, sample: dict[str, Any]) -> None:
    bare.create("nerfjobs", sample)


def test_defaults_are_filled_in(bare: Namespace) -> None:
    spec = bare.job(workers={})["spec"]
    assert "replicas" not in spec["workers"]
    assert spec["scaling"]["policy"] == "Fixed"
    assert spec["training"]["steps"] == 2000
    assert spec["checkpoint"]["volume"]["size"] == "2Gi"
    assert spec["runPolicy"]["backoffLimit"] == 6


#: what is wrong -> (sections, words of the answer)
WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "min over max": ({"workers": {"replicas": 3, "min": 3, "max": 2}}, ["workers.min", "max"]),
    "min over replicas": ({"workers": {"replicas": 2, "min": 3}}, ["workers.min", "replicas"]),
    "replicas over max": ({"workers": {"replicas": 3, "max": 2}}, ["replicas", "workers.max"]),
    "negative": ({"training": {"steps": -1}}, ["spec.training.steps", "greater than or equal"]),
    "zero": ({"model": {"sceneBound": 0}}, ["spec.model.sceneBound"]),
    "unknown field": ({"training": {"stepz": 1}}, ["unknown field", "spec.training.stepz"]),
    "path upwards": ({"dataset": {"claimName": "p", "path": "a/../b"}}, ["dataset.path", "'..'"]),
    "absolute path": ({"dataset": {"claimName": "p", "path": "/etc"}}, ["spec.dataset.path"]),
    "shell in a path": ({"dataset": {"claimName": "p", "path": "$(X)"}}, ["spec.dataset.path"]),
    "no claim": ({"dataset": {"path": "x"}}, ["spec.dataset", "claimName"]),
    "word for a number": ({"training": {"steps": "many"}}, ["spec.training.steps", "integer"]),
    "format": ({"dataset": {"claimName": "p", "format": "mp4"}}, ["spec.dataset.format"]),
    "more workers than shards": ({"workers": {"replicas": 9}}, ["training.shards"]),
    "rays that cannot be dealt": ({"training": {"raysPerBatch": 1001}}, ["training.raysPerBatch"]),
    "size": ({"checkpoint": {"volume": {"size": "big"}}}, ["spec.checkpoint.volume.size"]),
    "more processes than shards": (
        {"workers": {"replicas": 2, "processesPerWorker": 3}},
        ["training.shards", "workers.processesPerWorker"],
    ),
    "processes beside GPUs": (
        {"workers": {"gpusPerWorker": 1, "processesPerWorker": 2}},
        ["workers.processesPerWorker", "one process for each GPU"],
    ),
    "GPUs": ({"workers": {"gpusPerWorker": 17}}, ["spec.workers.gpusPerWorker"]),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_input_is_rejected_with_its_field(bare: Namespace, what: str) -> None:
    sections, words = WRONG[what]
    with pytest.raises(urllib.error.HTTPError) as refused:
        bare.job(**sections)
    message = rejection(refused.value)
    assert [word for word in words if word not in message] == [], message


def test_names_that_make_no_pod_names_are_rejected(bare: Namespace) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        bare.create("nerfjobs", nerf_job("n" * 43))
    assert "metadata.name" in rejection(refused.value)
