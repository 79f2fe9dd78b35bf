"""Checkpoints: what is written is read back, and whatever is torn is never used."""

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import safetensors.torch  # noqa: E402

from nerf_contract.reasons import CHECKPOINT_MISMATCH, CHECKPOINT_VOLUME  # noqa: E402
from nerf_trainer.checkpoint import CheckpointStore  # noqa: E402
from nerf_trainer.failures import TrainerFailure  # noqa: E402
from nerf_trainer.files import write_durably  # noqa: E402
from nerf_trainer.manifest import MANIFEST_FILE, STATE_FILE, Notes  # noqa: E402

pytestmark = pytest.mark.torch

IDENTITY = {"training.seed": 0, "model.levels": 10}
Damage = Callable[[Path], object]


def state(step: int) -> dict[str, "torch.Tensor"]:
    return {"weights": torch.full((50,), float(step)), "step": torch.tensor(step)}


def packed(step: int) -> bytes:
    return bytes(safetensors.torch.save(state(step)))


def kept(folder: Path) -> list[int]:
    return sorted(int(path.name[5:]) for path in (folder / "checkpoints").iterdir())


def scored(score: float | None) -> Notes:
    return Notes(world_size=1, psnr=40.0, score=score)


def store(folder: Path, keep: int = 3) -> CheckpointStore:
    return CheckpointStore(folder / "checkpoints", IDENTITY, keep)


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def test_round_trip(tmp_path: Path) -> None:
    store(tmp_path).save(7, packed(7))
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
    writer.save(1, packed(1))
    writer.save(2, packed(2))
    damage(tmp_path / "checkpoints/step-000000002")
    found = store(tmp_path).newest()
    assert found is not None
    assert found.step == 1
    assert "step-000000002 is torn" in caplog.text


def test_a_file_of_its_name_is_no_checkpoint(tmp_path: Path) -> None:
    store(tmp_path).save(1, packed(1))
    (tmp_path / "checkpoints/step-000000002").write_text("not a folder")
    found = store(tmp_path).newest()
    assert found is not None
    assert found.step == 1


@pytest.mark.parametrize("name", [MANIFEST_FILE, STATE_FILE])
def test_a_volume_that_cannot_be_read_is_no_reason_to_take_an_older_checkpoint(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = store(tmp_path)
    writer.save(1, packed(1))
    writer.save(2, packed(2))
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
    store(tmp_path).save(2, packed(2))
    truncate(tmp_path / "checkpoints/step-000000002" / STATE_FILE)
    store(tmp_path).save(2, packed(2))
    found = store(tmp_path).newest()
    assert found is not None
    assert found.step == 2


def test_a_torn_checkpoint_does_not_count_as_kept(tmp_path: Path) -> None:
    writer = store(tmp_path, keep=1)
    writer.save(50, packed(50))
    shutil.copytree(
        tmp_path / "checkpoints/step-000000050", tmp_path / "checkpoints/step-000000100"
    )
    truncate(tmp_path / "checkpoints/step-000000100" / STATE_FILE)
    store(tmp_path, keep=1).save(60, packed(60))
    found = store(tmp_path, keep=1).newest()
    assert found is not None
    assert found.step == 60


def test_an_unfinished_write_is_removed(tmp_path: Path) -> None:
    store(tmp_path).save(1, packed(1))
    folder = tmp_path / "checkpoints"
    shutil.copytree(folder / "step-000000001", folder / ".step-000000002.12ab.tmp")
    found = store(tmp_path).newest()
    assert found is not None
    assert found.step == 1
    assert [path.name for path in folder.iterdir()] == ["step-000000001"]


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    writer = store(tmp_path, keep=2)
    for step in (1, 2, 10, 11):
        writer.save(step, packed(step))
    assert kept(tmp_path) == [10, 11]


def test_a_writer_that_was_replaced_removes_nothing_of_its_successor(tmp_path: Path) -> None:
    old, new = store(tmp_path), store(tmp_path)
    old.save(10, packed(10))
    new.save(20, packed(20))
    new.save(30, packed(30))
    old.save(11, packed(11))
    assert kept(tmp_path) == [10, 11, 20, 30]


@pytest.mark.parametrize("step", [10, 20])
def test_nor_disturbs_what_its_successor_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    old, new = store(tmp_path), store(tmp_path)

    def interrupted(path: Path, data: bytes) -> None:
        write_durably(path, data)
        monkeypatch.undo()
        old.save(step, packed(step))

    monkeypatch.setattr("nerf_trainer.checkpoint.write_durably", interrupted)
    new.save(20, packed(20))
    found = store(tmp_path).newest()
    assert found is not None
    assert found.step == 20
    assert kept(tmp_path) == sorted({step, 20})


def test_the_best_is_kept_beside_the_newest(tmp_path: Path) -> None:
    writer = store(tmp_path, keep=2)
    for step, score in ((1, 20.0), (2, 30.0), (3, 25.0), (4, 29.0), (5, 28.0)):
        writer.save(step, packed(step), scored(score))
    assert kept(tmp_path) == [2, 4, 5]
    assert writer.best_score == store(tmp_path).best_score == 30.0
    writer.save(6, packed(6), scored(31.0))
    assert kept(tmp_path) == [5, 6]


def test_the_quality_of_an_earlier_state_makes_no_best(tmp_path: Path) -> None:
    writer = store(tmp_path, keep=1)
    writer.save(1, packed(1), scored(20.0))
    writer.save(2, packed(2), scored(None))
    writer.save(3, packed(3), scored(float("nan")))
    writer.save(4, packed(4))
    assert kept(tmp_path) == [1, 4]
    assert writer.best_score == 20.0


def test_a_torn_manifest_makes_no_best(tmp_path: Path) -> None:
    writer = store(tmp_path, keep=1)
    writer.save(1, packed(1), scored(30.0))
    truncate(tmp_path / "checkpoints/step-000000001" / MANIFEST_FILE)
    writer.save(2, packed(2), scored(20.0))
    assert kept(tmp_path) == [2]
    assert store(tmp_path).best_score == 20.0


def test_what_stepped_aside_for_its_own_step_comes_back(tmp_path: Path) -> None:
    """As after a kill between the two renames of a checkpoint that is saved again."""
    store(tmp_path).save(7, packed(7))
    folder = tmp_path / "checkpoints"
    (folder / "step-000000007").rename(folder / ".step-000000007.old")
    found = store(tmp_path).newest()
    assert found is not None
    assert found.step == 7
    shutil.copytree(folder / "step-000000007", folder / ".step-000000007.old")
    assert store(tmp_path).newest() is not None
    assert kept(tmp_path) == [7]


def test_a_full_volume_keeps_the_last_good_one_and_no_half_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = store(tmp_path)
    writer.save(1, packed(1))

    def full(path: Path, _: bytes) -> None:
        path.write_bytes(b"the part that had room")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as short:
        short.setattr("nerf_trainer.checkpoint.write_durably", full)
        with pytest.raises(OSError, match="No space left"):
            writer.save(2, packed(2))
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000000001"]
    found = store(tmp_path).newest()
    assert found is not None
    assert found.step == 1


def test_another_config_is_refused_by_the_names_of_its_fields(tmp_path: Path) -> None:
    store(tmp_path).save(1, packed(1))
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
    store(tmp_path).save(1, packed(1))
    folder = tmp_path / "checkpoints/step-000000001"
    assert sorted(path.name for path in folder.iterdir()) == [MANIFEST_FILE, STATE_FILE]
    header_length = int.from_bytes((folder / STATE_FILE).read_bytes()[:8], "little")
    header = json.loads((folder / STATE_FILE).read_bytes()[8 : 8 + header_length])
    assert "weights" in header
