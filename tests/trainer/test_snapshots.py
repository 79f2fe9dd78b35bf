"""Copies of the state, the thread that writes them, and snapshots in memory."""

import errno
import shutil
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import safetensors.torch  # noqa: E402

from nerf_contract import names  # noqa: E402
from nerf_contract.training import TrainerConfig  # noqa: E402
from nerf_trainer import snapshots  # noqa: E402
from nerf_trainer.checkpoint import CheckpointStore  # noqa: E402
from nerf_trainer.saver import BackgroundSaver  # noqa: E402
from nerf_trainer.state_buffer import DTYPES, StateBuffer  # noqa: E402

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")
CONFIG = TrainerConfig.model_validate({"checkpoint": {"snapshotSeconds": 1}})
State = dict[str, "torch.Tensor"]
Usage = namedtuple("Usage", "total used free")


def state(value: int) -> State:
    """Tensors of every data type, and of shapes that ask for care: scalars, none, odd sizes."""
    made = {str(dtype): torch.full((3, 5), value).to(dtype) for dtype in DTYPES}
    more = {"scalar": torch.tensor(value), "none": torch.zeros(0, 4), "odd": torch.ones(7).byte()}
    return made | more | {"weights": torch.full((1000,), float(value))}


def store(folder: Path) -> CheckpointStore:
    return CheckpointStore(folder, {}, keep=1)


def saver(target: CheckpointStore, interval: float = 0, **told: object) -> BackgroundSaver:
    return BackgroundSaver("copy", target, StateBuffer(state(0), CPU), interval, **told)  # type: ignore[arg-type]


def same(a: State, b: State) -> bool:
    return a.keys() == b.keys() and all(
        a[name].dtype == b[name].dtype and torch.equal(a[name], b[name]) for name in a
    )


def test_a_filled_buffer_is_a_safetensors_file() -> None:
    buffer = StateBuffer(state(0), CPU)
    buffer.fill(state(7))
    assert len(buffer.data()) == buffer.nbytes
    assert same(safetensors.torch.load(bytes(buffer.data())), state(7))


def test_a_buffer_is_filled_in_place() -> None:
    buffer = StateBuffer(state(0), CPU)
    data = buffer.data()
    before = bytes(data)
    buffer.fill(state(7))
    assert bytes(data) != before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_copy_from_a_gpu_is_of_its_moment() -> None:
    weights = torch.zeros(50_000_000, device="cuda")
    buffer = StateBuffer({"weights": weights}, weights.device)
    weights.fill_(1)
    buffer.fill({"weights": weights})
    weights.fill_(2)  # As the next step does, while the copy is on its way.
    found = safetensors.torch.load(bytes(buffer.data()))["weights"]
    assert torch.equal(found, torch.ones_like(found))


def test_the_saver_writes_a_copy(tmp_path: Path) -> None:
    saved: list[int] = []
    writer = saver(store(tmp_path), on_saved=lambda step, _time, _s: saved.append(step))
    tensors = state(3)
    writer.save(3, tensors)
    tensors["weights"].zero_()
    assert writer.wait() is None
    found = store(tmp_path).newest()
    assert found is not None
    assert same(found.tensors, state(3))
    assert saved == [3]


def test_the_saver_tells_of_a_full_volume_and_of_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    target = store(tmp_path)
    failed: list[Exception] = []
    writer = saver(target, on_failed=failed.append)

    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as short:
        short.setattr(target, "save", full)
        for step in (1, 2, 3):
            writer.save(step, state(step))
            assert writer.wait() is failed[-1]
    assert len(failed) == 3
    assert caplog.text.count("was not written: [Errno 28]") == 1
    writer.save(4, state(4))
    assert writer.wait() is None


def test_a_state_past_the_last_whole_copy_is_saved_though_a_damaged_one_is_later(
    tmp_path: Path,
) -> None:
    for step in (2500, 3000):
        CheckpointStore(tmp_path, {}, keep=2).save(step, safetensors.torch.save(state(step)))
    (tmp_path / "step-000003000/state.safetensors").write_bytes(b"torn")
    resumed = store(tmp_path)
    writer = saver(resumed)
    found = resumed.newest()
    assert found is not None and found.step == 2500
    assert [writer.is_behind(step) for step in (2500, 2700)] == [False, True]
    writer.save(2700, state(2700))
    assert not writer.is_behind(2700)
    newest = store(tmp_path).newest()
    assert newest is not None and newest.step == 2700


def test_a_copy_is_due_after_the_interval(tmp_path: Path) -> None:
    assert not saver(store(tmp_path), interval=3600).due()
    assert saver(store(tmp_path)).due()


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where snapshots of the pod lie."""
    monkeypatch.setenv(names.ENV_SNAPSHOTS, str(tmp_path))
    monkeypatch.setenv(names.ENV_JOB_NAME, "demo")
    monkeypatch.setenv(names.ENV_POD_NAME, "demo-worker-0-0")
    yield tmp_path / "demo/demo-worker-0-0"


def leave_snapshot(config: TrainerConfig, step: int) -> None:
    opened = snapshots.open_store(config, 1000)
    assert opened is not None
    opened.save(step, safetensors.torch.save(state(step)))


def found_step(config: TrainerConfig) -> int | None:
    opened = snapshots.open_store(config, 1000)
    assert opened is not None
    return found_step_of(opened)


def found_step_of(opened: CheckpointStore) -> int | None:
    found = snapshots.newest(opened)
    return found.step if found else None


def test_a_snapshot_is_found_by_the_next_process(memory: Path) -> None:
    assert found_step(CONFIG) is None
    leave_snapshot(CONFIG, 1)
    leave_snapshot(CONFIG, 2)
    assert found_step(CONFIG) == 2
    assert [path.name for path in memory.iterdir()] == ["step-000000002"]


def test_a_damaged_snapshot_is_not_used(memory: Path) -> None:
    leave_snapshot(CONFIG, 1)
    path = memory / "step-000000001/state.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert found_step(CONFIG) is None


def test_a_snapshot_of_another_config_is_never_used(memory: Path) -> None:
    leave_snapshot(CONFIG, 9)
    other = CONFIG.model_copy(update={"training": CONFIG.training.model_copy(update={"seed": 5})})
    assert found_step(other) is None
    leave_snapshot(other, 1)
    assert found_step(other) == 1
    assert [path.name for path in memory.iterdir()] == ["step-000000001"]


@pytest.mark.parametrize("name", [names.ENV_JOB_NAME, names.ENV_POD_NAME])
def test_a_snapshot_of_another_job_or_pod_is_not_found(
    memory: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    leave_snapshot(CONFIG, 9)
    monkeypatch.setenv(name, "other")
    assert found_step(CONFIG) is None


def test_there_are_none_without_an_agent_or_where_they_are_off(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = TrainerConfig.model_validate({"checkpoint": {"snapshotSeconds": 0}})
    assert snapshots.open_store(off, 1) is None
    monkeypatch.delenv(names.ENV_SNAPSHOTS)
    assert snapshots.open_store(CONFIG, 1) is None


def test_there_are_none_where_memory_is_short(
    memory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    room = shutil.disk_usage(memory.parents[1]).total
    assert snapshots.open_store(CONFIG, room) is None
    assert "goes on without snapshots" in caplog.text


@pytest.mark.parametrize(
    ("free", "fits"), [(2000 + 2000, True), (2000 + 1999, False)], ids=["just", "not quite"]
)
def test_a_reserve_is_left_alone(
    memory: Path, monkeypatch: pytest.MonkeyPatch, free: int, fits: bool
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10_000, 10_000 - free, free))
    assert (snapshots.open_store(CONFIG, 1000) is not None) is fits


def test_a_snapshot_that_would_touch_the_reserve_is_skipped(
    memory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    opened = snapshots.open_store(CONFIG, 1000)
    assert opened is not None
    writer = saver(opened)
    writer.save(1, state(1))
    assert writer.wait() is None
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100_000, 80_000, 20_000))
    writer.save(2, state(2))
    assert isinstance(writer.wait(), OSError)
    assert "the copy of step 2 was not written" in caplog.text
    assert found_step_of(opened) == 1


def test_there_are_none_where_the_folder_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(names.ENV_SNAPSHOTS, str(tmp_path / "file"))
    assert snapshots.open_store(CONFIG, 1) is None
    assert "goes on without snapshots" in caplog.text
