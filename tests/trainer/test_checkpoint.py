"""Checkpoints: what is written is read back, and whatever is torn is never used."""

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from nerf_contract.reasons import CHECKPOINT_MISMATCH, CHECKPOINT_VOLUME  # noqa: E402
from nerf_trainer.checkpoint import MANIFEST_FILE, STATE_FILE, CheckpointStore  # noqa: E402
from nerf_trainer.failures import TrainerFailure  # noqa: E402
from nerf_trainer.saver import BackgroundSaver  # noqa: E402

pytestmark = pytest.mark.torch

IDENTITY = {"training.seed": 0, "model.levels": 10}
Damage = Callable[[Path], object]


def state(step: int) -> dict[str, "torch.Tensor"]:
    return {"weights": torch.full((50,), float(step)), "step": torch.tensor(step)}


def store(folder: Path, keep: int = 3) -> CheckpointStore:
    return CheckpointStore(folder / "checkpoints", IDENTITY, keep)


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def test_round_trip(tmp_path: Path) -> None:
    store(tmp_path).save(7, state(7))
    found = store(tmp_path).newest()
    assert found is not None
    assert found.step == 7
    assert torch.equal(found.tensors["weights"], state(7)["weights"])


def test_nothing_there(tmp_path: Path) -> None:
    assert store(tmp_path).newest() is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: (f / MANIFEST_FILE).unlink(),
        lambda f: (f / STATE_FILE).unlink(),
        lambda f: (f / STATE_FILE).write_bytes(b""),
        lambda f: truncate(f / STATE_FILE),
        lambda f: flip(f / STATE_FILE, 3),
        lambda f: flip(f / STATE_FILE, -1),
        lambda f: (f / MANIFEST_FILE).write_bytes(b""),
        lambda f: (f / MANIFEST_FILE).write_text("[]"),
        lambda f: truncate(f / MANIFEST_FILE),
        lambda f: (f / MANIFEST_FILE).write_text(
            (f / MANIFEST_FILE).read_text().replace('"step": 2', '"step": 9')
        ),
        lambda f: [path.unlink() for path in f.iterdir()],
    ],
)
def test_a_torn_checkpoint_is_skipped_for_the_one_before(
    tmp_path: Path, damage: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    writer = store(tmp_path)
    writer.save(1, state(1))
    writer.save(2, state(2))
    damage(tmp_path / "checkpoints/step-000000002")
    found = store(tmp_path).newest()
    assert found is not None
    assert found.step == 1
    assert "step-000000002 is torn" in caplog.text


def test_a_file_of_its_name_is_no_checkpoint(tmp_path: Path) -> None:
    store(tmp_path).save(1, state(1))
    (tmp_path / "checkpoints/step-000000002").write_text("not a folder")
    found = store(tmp_path).newest()
    assert found is not None
    assert found.step == 1


@pytest.mark.parametrize("name", [MANIFEST_FILE, STATE_FILE])
def test_a_volume_that_cannot_be_read_is_no_reason_to_take_an_older_checkpoint(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = store(tmp_path)
    writer.save(1, state(1))
    writer.save(2, state(2))
    bad = tmp_path / "checkpoints/step-000000002" / name
    read = Path.read_bytes

    def failing(path: Path) -> bytes:
        if path == bad:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", failing)
    with pytest.raises(TrainerFailure, match=f"{bad}: Input/output error") as caught:
        writer.newest()
    assert caught.value.reason == CHECKPOINT_VOLUME
    assert caught.value.failure.retryable


def test_a_folder_that_cannot_be_listed_is_a_failure_of_the_volume(tmp_path: Path) -> None:
    target = store(tmp_path)
    (tmp_path / "checkpoints").rmdir()
    with pytest.raises(TrainerFailure, match="checkpoints: No such file") as caught:
        target.newest()
    assert caught.value.reason == CHECKPOINT_VOLUME


def test_a_torn_checkpoint_is_replaced_when_its_step_is_saved_again(tmp_path: Path) -> None:
    store(tmp_path).save(2, state(2))
    truncate(tmp_path / "checkpoints/step-000000002" / STATE_FILE)
    store(tmp_path).save(2, state(2))
    found = store(tmp_path).newest()
    assert found is not None
    assert found.step == 2


def test_a_torn_checkpoint_does_not_count_as_kept(tmp_path: Path) -> None:
    writer = store(tmp_path, keep=1)
    writer.save(50, state(50))
    shutil.copytree(
        tmp_path / "checkpoints/step-000000050", tmp_path / "checkpoints/step-000000100"
    )
    truncate(tmp_path / "checkpoints/step-000000100" / STATE_FILE)
    store(tmp_path, keep=1).save(60, state(60))
    found = store(tmp_path, keep=1).newest()
    assert found is not None
    assert found.step == 60


def test_an_unfinished_write_is_removed(tmp_path: Path) -> None:
    store(tmp_path).save(1, state(1))
    folder = tmp_path / "checkpoints"
    shutil.copytree(folder / "step-000000001", folder / ".step-000000002.tmp")
    found = store(tmp_path).newest()
    assert found is not None
    assert found.step == 1
    assert [path.name for path in folder.iterdir()] == ["step-000000001"]


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    writer = store(tmp_path, keep=2)
    for step in (1, 2, 10, 11):
        writer.save(step, state(step))
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-000000010", "step-000000011"]


def test_another_config_is_refused_by_the_names_of_its_fields(tmp_path: Path) -> None:
    store(tmp_path).save(1, state(1))
    other = CheckpointStore(tmp_path / "checkpoints", IDENTITY | {"training.seed": 5}, 3)
    with pytest.raises(
        TrainerFailure, match=r"training\.seed \(0 there, 5 now\).*delete"
    ) as caught:
        other.newest()
    assert caught.value.reason == CHECKPOINT_MISMATCH


def test_a_volume_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file where the folder should be")
    with pytest.raises(TrainerFailure, match="checkpoints") as caught:
        store(tmp_path)
    assert caught.value.reason == CHECKPOINT_VOLUME


def test_nothing_is_pickled(tmp_path: Path) -> None:
    store(tmp_path).save(1, state(1))
    folder = tmp_path / "checkpoints/step-000000001"
    assert sorted(path.name for path in folder.iterdir()) == [MANIFEST_FILE, STATE_FILE]
    header_length = int.from_bytes((folder / STATE_FILE).read_bytes()[:8], "little")
    header = json.loads((folder / STATE_FILE).read_bytes()[8 : 8 + header_length])
    assert "weights" in header


def test_the_background_saver_writes_a_copy(tmp_path: Path) -> None:
    saved: list[int] = []
    saver = BackgroundSaver(store(tmp_path), 0, lambda step, _time, _s: saved.append(step))
    tensors = state(3)
    saver.save(3, tensors)
    tensors["weights"].zero_()
    assert saver.wait() is None
    found = store(tmp_path).newest()
    assert found is not None
    assert torch.equal(found.tensors["weights"], state(3)["weights"])
    assert saved == [3]


def test_the_background_saver_reports_a_full_volume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = store(tmp_path)

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(target, "save", full)
    saver = BackgroundSaver(target, 0, lambda *_: None)
    saver.save(1, state(1))
    error = saver.wait()
    assert error is not None
    assert error.errno == 28


def test_a_checkpoint_is_due_after_the_interval(tmp_path: Path) -> None:
    assert not BackgroundSaver(store(tmp_path), 3600, lambda *_: None).due()
    assert BackgroundSaver(store(tmp_path), 0, lambda *_: None).due()
