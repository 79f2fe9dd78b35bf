"""What the trainer image must offer. Runs inside it, by tools/images/in-trainer."""

from __future__ import annotations

import importlib.metadata
import os
import pwd
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="runs in the trainer image")
pytestmark = pytest.mark.torch

NUMERIC_USER = 10001
# A guard against a missing BLAS (2.8 GFLOP/s), not a benchmark (70 and more on one core).
LEAST_GFLOPS = 30
PATIENCE_SECONDS = 20


def test_gemm_uses_a_real_blas() -> None:
    """On one thread, and more than once: other processes may hold the cores for a while."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        best = gemm_gflops()
        while best < LEAST_GFLOPS and time.monotonic() < deadline:
            best = max(best, gemm_gflops())
    finally:
        torch.set_num_threads(threads)
    assert best > LEAST_GFLOPS


def gemm_gflops(size: int = 512) -> float:
    matrix = torch.rand(size, size)
    begin = time.perf_counter()
    torch.mm(matrix, matrix)
    return 2 * size**3 / (time.perf_counter() - begin) / 1e9


def test_the_vector_instructions_that_kernels_use_compile_and_load() -> None:
    from torch._inductor.cpu_vec_isa import VecAVX2, VecISA

    assert VecAVX2().check_build(VecISA._avx_code)


def test_kernels_are_not_made_for_this_machine_alone() -> None:
    from torch._inductor.cpp_builder import CppTorchOptions
    from torch._inductor.cpu_vec_isa import VecAVX2

    flags = " ".join(CppTorchOptions(vec_isa=VecAVX2()).get_cflags())
    assert "fno-finite-math-only" in flags
    assert "march=native" not in flags


def test_compile_gives_vector_code_with_the_same_result() -> None:
    from torch._inductor import config
    from torch._inductor.utils import run_and_get_code

    def eager(x: Any) -> Any:
        return (x.sin() * x.exp()).sum(-1)

    x = torch.rand(64, 96)
    with config.patch({"cpp.vec_isa_ok": True, "force_disable_caches": True}):
        result, sources = run_and_get_code(torch.compile(eager), x)
    torch.testing.assert_close(result, eager(x))
    assert any("at::vec::Vectorized" in source for source in sources)


def test_runs_as_a_numeric_user_with_a_name_on_a_read_only_root() -> None:
    assert os.getuid() == NUMERIC_USER
    assert pwd.getpwuid(os.getuid()).pw_name == os.environ["USER"]
    for folder in ("/", "/etc", "/opt/nerf", "/usr/lib"):
        with pytest.raises(OSError, match=r"Read-only file system|Permission denied"):
            Path(folder, "probe").touch()


@pytest.mark.parametrize("command", [["torchrun"], [sys.executable, "-m", "torch.distributed.run"]])
def test_torchrun_starts(command: list[str]) -> None:
    result = subprocess.run([*command, "--help"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "--rdzv" in result.stdout


def test_torchrun_finds_our_rendezvous() -> None:
    (handler,) = importlib.metadata.entry_points(group="torchrun.handlers", name="nerf")
    assert callable(handler.load())


def test_image_holds_the_trainer_and_not_the_operator() -> None:
    packages = {
        path.name for path in Path("/opt/nerf").iterdir() if (path / "__init__.py").exists()
    }
    assert packages == {"nerf_contract", "nerf_trainer"}
