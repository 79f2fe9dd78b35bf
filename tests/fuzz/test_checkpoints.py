"""A checkpoint of a stranger, with checksums that hold: it is read, or skipped for an older one."""

import hashlib
import json
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

import safetensors.torch  # noqa: E402
from hostile import ODD_VALUES, damaged, fuzzed, mutated  # noqa: E402
from hypothesis import example, given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from nerf_trainer import manifest as manifests  # noqa: E402
from nerf_trainer.checkpoint import CheckpointStore  # noqa: E402
from nerf_trainer.manifest import MANIFEST_FILE, STATE_FILE  # noqa: E402

IDENTITY = {"training.seed": 0}
WEIGHTS = {"weights": torch.arange(6.0).reshape(2, 3), "step": torch.tensor(1)}
STATE = bytes(safetensors.torch.save(WEIGHTS))
LENGTH = int.from_bytes(STATE[:8], "little")
HEADER: dict[str, Any] = json.loads(STATE[8 : 8 + LENGTH])


def packed(header: Any) -> bytes:
    """A safetensors file with this header, and the tensors' bytes."""
    text = json.dumps(header).encode(errors="surrogatepass")
    return struct.pack("<Q", len(text)) + text + STATE[8 + LENGTH :]


states = st.one_of(
    damaged(STATE),
    mutated(HEADER).map(packed),
    st.sampled_from(ODD_VALUES).map(packed),
    st.binary(max_size=64),
)


def write(folder: Path, step: int, data: bytes) -> None:
    """A finished checkpoint with checksums of just this."""
    made = folder / f"step-{step:09d}"
    made.mkdir(exist_ok=True)
    (made / STATE_FILE).write_bytes(data)
    manifest = manifests.create(step, data, IDENTITY, manifests.NO_NOTES)
    assert manifest["sha256"] == hashlib.sha256(data).hexdigest()
    (made / MANIFEST_FILE).write_text(json.dumps(manifest))


def test_a_checkpoint_is_read_or_skipped(tmp_path: Path) -> None:
    @fuzzed
    @given(states)
    @example(packed({"a": {"dtype": "F4", "shape": [12], "data_offsets": [0, 6]}}))
    @example(packed({"a": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}}))
    def run(data: bytes) -> None:
        store = CheckpointStore(tmp_path / "checkpoints", IDENTITY, keep=3)
        write(tmp_path / "checkpoints", 1, STATE)
        write(tmp_path / "checkpoints", 2, data)
        found = store.newest()
        assert found is not None, "the older one is whole"
        if found.step == 2:
            sizes = [value.nelement() * value.element_size() for value in found.tensors.values()]
            assert sum(sizes) <= len(data)

    run()


class Evil:
    """Unpickled, it would touch a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_a_pickle_is_no_checkpoint(tmp_path: Path, how: str) -> None:
    touched, file = tmp_path / "touched", tmp_path / "evil"
    if how == "torch":
        torch.save(Evil(touched), file)
    else:
        file.write_bytes(pickle.dumps(Evil(touched)))
    store = CheckpointStore(tmp_path / "checkpoints", IDENTITY, keep=3)
    write(tmp_path / "checkpoints", 2, file.read_bytes())
    assert store.newest() is None
    assert not touched.exists()
    pickle.loads(pickle.dumps(Evil(touched)))
    assert touched.exists(), "it would have"


@pytest.mark.parametrize("name", ["step-x", "step-", "step-1.5", "step--1", "step-²", "step-1\n"])
def test_folders_that_only_look_like_checkpoints(tmp_path: Path, name: str) -> None:
    store = CheckpointStore(tmp_path / "checkpoints", IDENTITY, keep=3)
    (tmp_path / "checkpoints" / name).mkdir()
    assert store.newest() is None
    store.save(1, STATE)
    assert (tmp_path / "checkpoints" / name).is_dir(), "what is not ours stays"
