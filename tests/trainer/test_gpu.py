"""A GPU's figures reach the metrics. Torch and NVML tell of a GPU that is a fake."""

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from nerf_contract import metrics as m  # noqa: E402
from nerf_trainer.gpu import GpuWatch  # noqa: E402
from nerf_trainer.metrics import TrainerMetrics  # noqa: E402
from nerf_trainer.nvml import Utilization  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "get_device_properties": SimpleNamespace(uuid="fake"),
        "mem_get_info": (60, 80),
        "memory_allocated": 5,
        "memory_reserved": 10,
        "max_memory_allocated": 8,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, lambda _, answer=answer: answer)


def values(metrics: TrainerMetrics) -> dict[str, float]:
    wanted = (m.GPU_MEMORY.name, m.GPU_UTILIZATION.name)
    families = [family for family in metrics.registry.collect() if family.name in wanted]
    samples = [sample for family in families for sample in family.samples]
    return {sample.labels.get("state", "utilization"): sample.value for sample in samples}


@pytest.mark.usefixtures("fake_gpu")
@pytest.mark.parametrize(("ratio", "more"), [(0.25, {"utilization": 0.25}), (None, {})])
def test_what_is_known_is_told(
    ratio: float | None, more: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    uuids = []

    def answer(utilization: Utilization) -> float | None:
        uuids.append(utilization._uuid)
        return ratio

    monkeypatch.setattr(Utilization, "ratio", answer)
    metrics, watch = TrainerMetrics(), GpuWatch(torch.device("cuda", 0))
    watch.tell(metrics)
    assert watch.peak_bytes() == 8
    assert values(metrics) == {"allocated": 5, "reserved": 10, "peak": 8, "total": 80} | more
    assert uuids == ["GPU-fake"]


def test_a_cpu_has_none() -> None:
    metrics, watch = TrainerMetrics(), GpuWatch(torch.device("cpu"))
    watch.tell(metrics)
    assert watch.peak_bytes() is None
    assert values(metrics) == {}
