"""The export of every field and of every way to sample."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from exported import TrainedJob, save, trained_job  # noqa: E402
from small_trainings import MODELS  # noqa: E402

from nerf_contract import names  # noqa: E402
from nerf_contract.outputs import OnnxOutput  # noqa: E402
from nerf_contract.training import ModelConfig, TrainerConfig  # noqa: E402
from nerf_trainer.export import network  # noqa: E402
from nerf_trainer.export.portable import PortableField  # noqa: E402
from nerf_trainer.fields import RadianceField, create_field  # noqa: E402
from nerf_trainer.state import TrainState  # noqa: E402

pytestmark = pytest.mark.torch

FIELDS: dict[str, dict[str, Any]] = {
    "all levels dense": {"levels": 2, "finestResolution": 32},
    "a table of one byte": {"levels": 3, "log2TableSize": 8, "featuresPerLevel": 3},
    "a table of three bytes": {"levels": 4, "log2TableSize": 18, "finestResolution": 2048},
    "unbounded": {"levels": 4, "space": "unbounded"},
    "mlp": {"type": "mlp"},
}


def field(**model: Any) -> RadianceField:
    """A field whose table, if any, is as uneven as a trained one's."""
    torch.manual_seed(0)
    found = create_field(ModelConfig.model_validate(model))
    if hasattr(found.encoding, "table"):
        torch.nn.init.normal_(found.encoding.table)
    return found


@pytest.mark.parametrize("name", FIELDS)
def test_a_network_is_its_field(name: str, tmp_path: Path) -> None:
    scene: Any = SimpleNamespace(field=field(**FIELDS[name]), bound=1.5, device=torch.device("cpu"))
    network.write_network(PortableField(scene.field).eval(), tmp_path / "field.onnx")
    found = network.parity(scene, tmp_path / "field.onnx")
    assert max(found.density, found.colour) <= OnnxOutput().tolerance
    _, rgb = network.evaluate(scene, *network.random_points(scene.bound))
    assert rgb.std() > 1e-3  # there is something to compare


def test_another_field_is_told_apart(tmp_path: Path) -> None:
    """A table that is off by one entry in its hash would not pass."""
    model = FIELDS["a table of three bytes"]
    scene: Any = SimpleNamespace(field=field(**model), bound=1.5, device=torch.device("cpu"))
    other = PortableField(scene.field).eval()
    other.field.encoding.levels[-1].xor[1] += 1
    network.write_network(other, tmp_path / "field.onnx")
    assert network.parity(scene, tmp_path / "field.onnx").colour > 1e-2


@pytest.mark.parametrize("name", ["hierarchical", "proposal"])
def test_every_model_has_pictures_and_a_network(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = {"steps": 1, "raysPerBatch": 256, "samplesPerRay": 48, "compile": False}
    document = {
        "model": MODELS[name],
        "training": {**training, "threads": 1, "device": "cpu"},
        "outputs": {"stills": {"count": 1}, "onnx": {}},
    }
    config = TrainerConfig.model_validate(document)
    job = TrainedJob(trained_job().dataset, tmp_path / "job", config)
    monkeypatch.setenv(names.ENV_DATASET_ROOT, str(job.dataset))
    save(job, TrainState(config, 64, torch.device("cpu")))
    found = job.export()
    assert found.failed == {}
    assert found.made == ["stills/", "field.onnx"]
