"""A poses_bounds.npy of a stranger: poses of photos in the folder, or a failure that says why."""

import io
from pathlib import Path

import numpy as np
import pytest
from hostile import ODD_VALUES, damaged, fuzzed
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nerf_contract.reasons import DATASET_INVALID
from nerf_contract.training import PreparedDataset
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.scenes import read_split

COUNT = 3
#: A camera that looks down -z from (0, 0, 3): LLFF's axes, place, and height, width and focal.
MATRIX = np.array([[0.0, 1, 0, 0, 8], [-1, 0, 0, 0, 8], [0, 0, 1, 3, 8]])
ROWS = np.array([[*MATRIX.ravel(), 1.0, 5.0]] * COUNT)


def saved(array: NDArray[np.float64]) -> bytes:
    """As numpy saves it."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def zipped() -> bytes:
    """An archive of arrays, which numpy would open under any name."""
    file = io.BytesIO()
    np.savez(file, poses=ROWS)
    return file.getvalue()


def headed(header: str, version: int = 1) -> bytes:
    """The rows' bytes below another header."""
    text = header.encode("latin1" if version < 3 else "utf8", errors="replace")
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + ROWS.tobytes()


def described(shape: object = ROWS.shape, descr: object = "<f8") -> bytes:
    """The rows' bytes, said to be something else."""
    return headed(repr({"descr": descr, "fortran_order": False, "shape": shape}))


def with_number(value: float, column: int = 3) -> bytes:
    """Rows of which one has this number, as the camera's place if no other column is named."""
    rows = ROWS.copy()
    rows[1, column] = value
    return saved(rows)


numbers = st.sampled_from(ODD_VALUES)
files = st.one_of(
    damaged(saved(ROWS)),
    damaged(zipped()),
    st.builds(described, st.tuples(numbers, st.just(17)) | st.tuples(numbers), st.just("<f8")),
    st.builds(described, st.just(ROWS.shape), numbers),
    st.builds(headed, st.text(max_size=40), st.integers(1, 4)),
    st.floats().map(with_number),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("scene")
    (made / "images").mkdir()
    for k in range(COUNT):
        (made / f"images/{k}.png").write_bytes(b"")
    return made


def test_the_rows_are_read(folder: Path) -> None:
    (folder / "poses_bounds.npy").write_bytes(described())
    train, held_out = read_split(folder, PreparedDataset(format="llff"))
    assert len(train) + len(held_out) == COUNT


@pytest.mark.filterwarnings("ignore")  # numpy's, of headers by Python 2 and numbers too large
def test_poses_or_a_failure(folder: Path) -> None:
    @fuzzed
    @given(files)
    @example(saved(ROWS))
    @example(zipped())
    @example(b"PK\x03\x04" + b"no archive" * 10)
    @example(headed("{'descr': ("))
    @example(headed("{\n  1\n 2"))
    @example(headed("{[]: 1}"))
    @example(headed("-" * 9000 + "1"))
    @example(described(shape=(2**62, 17)))
    @example(described(shape=(10**400, 17)))
    @example(described(shape=(-3, 17)))
    @example(described(shape=()))
    @example(described(descr=()))
    @example(described(descr="|O"))
    @example(with_number(1e300))
    @example(with_number(1e300, column=14))  # A focal length.
    @example(with_number(5e-324, column=14))
    @example(with_number(5e-324, column=15))  # The nearest depth.
    @example(b"")
    def run(data: bytes) -> None:
        (folder / "poses_bounds.npy").write_bytes(data)
        try:
            train, held_out = read_split(folder, PreparedDataset(format="llff"))
        except TrainerFailure as failure:
            assert failure.reason == DATASET_INVALID
            return
        assert len(train) + len(held_out) == COUNT
        for photo in (*train, *held_out):
            assert photo.path.resolve().is_relative_to(folder.resolve())
            assert photo.intrinsics is not None
            assert np.isfinite(photo.pose).all()
            assert np.isfinite(photo.intrinsics).all()

    run()
