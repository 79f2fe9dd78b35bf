"""A COLMAP model of a stranger: poses of photos in the folder, or a failure that says why."""

import resource
import shutil
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.torch
pycolmap = pytest.importorskip("pycolmap")
sys.path.append(str(Path(__file__).parents[1] / "trainer"))

import numpy as np  # noqa: E402
from formats import colmap_binary, colmap_text  # noqa: E402
from hostile import damaged, fuzzed  # noqa: E402
from hypothesis import example, given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from nerf_contract.reasons import DATASET_INVALID  # noqa: E402
from nerf_contract.training import PreparedDataset  # noqa: E402
from nerf_trainer.failures import TrainerFailure  # noqa: E402
from nerf_trainer.scenes import read_split  # noqa: E402

#: Beyond what the process has, that a few kilobytes may take.
ROOM = 256 << 20


@pytest.fixture(scope="module", params=[colmap_binary, colmap_text], ids=["binary", "text"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("colmap") / "scene"
    request.param(folder)
    [found, *others] = sorted((folder / "sparse").iterdir())
    for other in others:
        shutil.rmtree(other)
    return found


@contextmanager
def bounded() -> Iterator[None]:
    """What asks for memory without end meets an end before the machine does."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    used = pages * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def huge(name: str, data: bytes) -> bytes:
    """A focal length that is none, and infinite in single precision."""
    return data[:32] + struct.pack("<d", -1e300) + data[40:] if name == "cameras.bin" else data


def turned(name: str, data: bytes) -> bytes:
    """A rotation of no number."""
    return data[:12] + b"\xff" * 8 + data[20:] if name == "images.bin" else data


def test_a_model_is_read_or_refused(model: Path) -> None:
    folder = model.parents[1]
    whole = {file.name: file.read_bytes() for file in model.iterdir()}

    @fuzzed
    @given(
        st.fixed_dictionaries({}, optional={name: damaged(data) for name, data in whole.items()})
    )
    @example({name: data[:8] for name, data in whole.items()})
    @example({name: b"\xff" * 8 + data[8:] for name, data in whole.items()})
    @example(dict.fromkeys(whole, b""))
    @example({name: huge(name, data) for name, data in whole.items()})
    @example({name: data.replace(b".png", b"\xffpng") for name, data in whole.items()})
    @example({name: data.replace(b".png", b"\0png") for name, data in whole.items()})
    @example({name: turned(name, data) for name, data in whole.items()})
    def run(harmed: dict[str, bytes]) -> None:
        for name, data in (whole | harmed).items():
            (model / name).write_bytes(data)
        try:
            with bounded():
                parts = read_split(folder, PreparedDataset(format="colmap"))
        except TrainerFailure as failure:
            assert failure.reason == DATASET_INVALID
            return
        for photo in (*parts[0], *parts[1]):
            assert photo.path.resolve().is_relative_to(folder.resolve())
            assert np.isfinite(photo.pose).all()
            assert np.isfinite(photo.intrinsics).all()

    run()
