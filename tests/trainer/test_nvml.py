"""GPU utilization, told by a fake NVML."""

import sys
from types import SimpleNamespace

import pytest

from nerf_trainer.nvml import Utilization


class FakePynvml:
    """Says what nvidia-ml-py would say of one GPU that is a fake."""

    def __init__(self) -> None:
        self.opened = 0
        self.gpu = 0

    def nvmlInit(self) -> None:  # noqa: N802
        self.opened += 1

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        if uuid != "GPU-fake":
            raise RuntimeError("Not Found")
        return "handle of a fake GPU"

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> SimpleNamespace:  # noqa: N802
        assert handle == "handle of a fake GPU"
        return SimpleNamespace(gpu=self.gpu, memory=3)


@pytest.fixture
def pynvml(monkeypatch: pytest.MonkeyPatch) -> FakePynvml:
    fake = FakePynvml()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    return fake


def test_utilization_is_a_ratio(pynvml: FakePynvml) -> None:
    utilization = Utilization("GPU-fake")
    assert pynvml.opened == 0
    for pynvml.gpu in (0, 37, 100):
        assert utilization.ratio() == pynvml.gpu / 100
    assert pynvml.opened == 1


def test_an_unknown_gpu_has_none(pynvml: FakePynvml) -> None:
    utilization = Utilization("GPU-other")
    assert utilization.ratio() is None
    assert utilization.ratio() is None
    assert pynvml.opened == 1


def test_without_the_library_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert Utilization("GPU-fake").ratio() is None
