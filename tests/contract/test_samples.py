"""What the samples ask for makes sense."""

from pathlib import Path

import pytest
import yaml

from nerf_contract import names
from nerf_contract.v1alpha1 import NeRFJobSpec

SAMPLES = sorted((Path(__file__).parents[2] / "manifests/samples").glob("*.yaml"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_samples_are_valid(path: Path) -> None:
    jobs = [doc for doc in yaml.safe_load_all(path.read_text()) if doc["kind"] == names.KIND]
    assert jobs
    for job in jobs:
        assert job["apiVersion"] == names.API_VERSION
        NeRFJobSpec.model_validate(job["spec"])
