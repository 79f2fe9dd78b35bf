"""The models accept what users write, and name the field where they do not."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from nerf_contract.reasons import FAILURES
from nerf_contract.training import TrainerConfig
from nerf_contract.v1alpha1 import NeRFJob

SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"


def job(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "x"}, "spec": {"dataset": {"claimName": "photos"}, **spec}}


def sample_jobs() -> list[dict[str, Any]]:
    docs = [d for f in SAMPLES.glob("*.yaml") for d in yaml.safe_load_all(f.read_text()) if d]
    return [doc for doc in docs if doc["kind"] == "NeRFJob"]


@pytest.mark.parametrize("sample", sample_jobs(), ids=lambda s: s["metadata"]["name"])
def test_samples_are_valid(sample: dict[str, Any]) -> None:
    NeRFJob.model_validate(sample)


def test_trainer_config_is_the_same_sections() -> None:
    spec = NeRFJob.model_validate(
        job(training={"steps": 7, "targetPSNR": 20}, checkpoint={"keep": 2})
    ).spec
    text = spec.trainer_config().model_dump_json(by_alias=True)
    read = TrainerConfig.model_validate_json(text)
    assert (read.training.steps, read.training.target_psnr, read.checkpoint.keep) == (7, 20, 2)
    assert read.dataset.path == spec.dataset.path


WRONG = {
    "min over replicas": ({"workers": {"min": 3}}, "min <= replicas"),
    "replicas over max": ({"workers": {"replicas": 3, "max": 2}}, "min <= replicas <= max"),
    "more processes than shards": ({"workers": {"replicas": 9}}, "training.shards"),
    "uneven shards": ({"training": {"raysPerBatch": 102}}, "raysPerBatch"),
    "resolutions": ({"model": {"baseResolution": 64, "finestResolution": 32}}, "finestResolution"),
    "path that climbs": ({"dataset": {"claimName": "c", "path": "a/../.."}}, "dataset.path"),
    "absolute path": ({"dataset": {"claimName": "c", "path": "/etc"}}, "dataset"),
    "variable in path": ({"dataset": {"claimName": "c", "path": "a$(B)"}}, "dataset"),
    "unknown field": ({"training": {"stepz": 1}}, "stepz"),
    "negative": ({"training": {"steps": -1}}, "steps"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_specs_name_the_field(what: str) -> None:
    spec, word = WRONG[what]
    with pytest.raises(ValidationError, match=word):
        NeRFJob.model_validate(job(**spec))


def test_fixed_size_unless_told() -> None:
    assert not NeRFJob.model_validate(job(workers={"replicas": 2})).spec.workers.elastic
    assert NeRFJob.model_validate(job(workers={"replicas": 2, "min": 1})).spec.workers.elastic


def test_failures_are_told_apart_by_exit_code() -> None:
    codes = [failure.exit_code for failure in FAILURES.values()]
    assert len(set(codes)) == len(codes)
    assert all(0 < code < 126 for code in codes)
