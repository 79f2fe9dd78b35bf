"""Device policy and threads."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from nerf_contract.reasons import CUDA_UNAVAILABLE  # noqa: E402
from nerf_trainer import cpus, device  # noqa: E402
from nerf_trainer.failures import TrainerFailure  # noqa: E402
from nerf_trainer.precision import autocast_dtype  # noqa: E402

pytestmark = pytest.mark.torch

needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


@needs_no_gpu
def test_auto_without_gpus_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NVIDIA_VISIBLE_DEVICES", raising=False)
    assert device.choose_device("auto", 0) == torch.device("cpu")


@needs_no_gpu
@pytest.mark.parametrize(
    ("visible", "given"), [(None, True), ("0", True), ("", False), ("-1", False)]
)
def test_gpus_that_are_hidden_from_processes_are_not_given(
    visible: str | None, given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NVIDIA_VISIBLE_DEVICES", "GPU-0123")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert device.gpus_given() is given


@needs_no_gpu
@pytest.mark.parametrize("wanted", ["auto", "cuda"])
def test_gpus_that_do_not_work_are_never_replaced_by_the_cpu(
    wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NVIDIA_VISIBLE_DEVICES", "GPU-0123")
    with pytest.raises(TrainerFailure, match="driver") as caught:
        device.choose_device(wanted, 0)
    assert caught.value.reason == CUDA_UNAVAILABLE


def test_the_cpu_can_be_asked_for_beside_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVIDIA_VISIBLE_DEVICES", "GPU-0123")
    assert device.choose_device("cpu", 0) == torch.device("cpu")


@pytest.mark.parametrize(("quota", "usable"), [("max 100000", 8), ("150000 100000", 2)])
def test_a_containers_quota_bounds_the_threads(
    quota: str, usable: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    monkeypatch.setattr(cpus, "CPU_QUOTA", file)
    monkeypatch.setattr(cpus.os, "sched_getaffinity", lambda _pid: set(range(8)))
    assert device.usable_cpus() == usable


def test_a_process_that_trains_on_a_cpu_has_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(device, "usable_cpus", lambda: 8)
    assert device.training_threads(0, torch.device("cpu")) == 1
    assert device.training_threads(0, torch.device("cuda")) == 4
    assert device.training_threads(3, torch.device("cpu")) == 3


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("auto", None), ("fp32", None), ("fp16", torch.float16), ("bf16", torch.bfloat16)],
)
def test_a_cpu_computes_in_fp32_unless_it_is_told_otherwise(
    precision: str, dtype: "torch.dtype | None"
) -> None:
    assert autocast_dtype(precision, torch.device("cpu")) == dtype


@pytest.mark.parametrize(("native", "dtype"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_gpu_that_only_emulates_bf16_computes_in_fp16(
    native: bool, dtype: "torch.dtype", monkeypatch: pytest.MonkeyPatch
) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return native or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert autocast_dtype("auto", torch.device("cuda")) == dtype
