"""`python3 -m nerf_trainer`: all stages one after the other, without Kubernetes."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from nerf_contract import names
from nerf_contract.progress import DatasetReport, TerminationMessage
from nerf_contract.reasons import DATASET_INVALID, TRAINED
from nerf_contract.training import TrainerConfig
from nerf_trainer import __main__ as alone
from nerf_trainer import gpu_files
from nerf_trainer.config import load_config
from nerf_trainer.failures import write_termination

POSES = "0123456789abcdef"


class Recorded(alone.Stages):
    """Stages that only write down how they were called."""

    calls: list[tuple[str, TrainerConfig, int]]
    dataset: DatasetReport | None = None

    def run(self, config: TrainerConfig, module: str, processes: int = 1) -> TerminationMessage:
        self.calls.append((module.rpartition(".")[2], config, processes))
        return TerminationMessage(reason=TRAINED, message="", dataset=self.dataset)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Recorded]:
    monkeypatch.setattr(Recorded, "calls", [], raising=False)
    monkeypatch.setattr(alone, "Stages", Recorded)
    monkeypatch.setenv(names.ENV_OUTPUT_ROOT, str(tmp_path))
    return Recorded


def config(**sections: Any) -> TrainerConfig:
    return TrainerConfig.model_validate(sections)


def finish_training(folder: Path, step: int, psnr: float = 20.0, complete: bool = True) -> None:
    (folder / "checkpoints" / f"step-{step:09d}").mkdir(parents=True)
    metrics = {"step": step, "psnr": psnr, "complete": complete}
    (folder / "metrics.json").write_text(json.dumps(metrics))


def test_photos_are_prepared_trained_and_exported(
    recorded: type[Recorded], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = DatasetReport(format="photos", photos=9, posed=9, poses=POSES)
    monkeypatch.setattr(recorded, "dataset", report)
    alone.run_stages(config(), tmp_path)
    assert [stage for stage, _, _ in recorded.calls] == ["prepare", "train", "export"]
    assert [c.dataset.poses for _, c, _ in recorded.calls] == [None, POSES, POSES]
    outputs = recorded.calls[-1][1].outputs
    assert all(getattr(outputs, name) is not None for name in type(outputs).model_fields)


def test_what_the_config_wants_is_made_and_no_more(
    recorded: type[Recorded], tmp_path: Path
) -> None:
    alone.run_stages(config(outputs={"mesh": {}}), tmp_path)
    outputs = recorded.calls[-1][1].outputs
    assert outputs.mesh is not None
    assert outputs.video is None


BARE_PHOTOS = DatasetReport(format="photos", photos=9, posed=9, poses=POSES)
POSED = DatasetReport(format="colmap", photos=9, posed=9)


@pytest.mark.parametrize(
    ("report", "sections", "want"),
    [
        (BARE_PHOTOS, {}, ("unbounded", 64, "cameras")),
        (BARE_PHOTOS, {"training": {"steps": 5}}, ("unbounded", 64, "cameras")),
        (BARE_PHOTOS, {"outputs": {"video": {"seconds": 3}}}, ("unbounded", 64, "cameras")),
        (BARE_PHOTOS, {"model": {"space": "unbounded"}}, ("unbounded", 64, "cameras")),
        (BARE_PHOTOS, {"model": {"space": "bounded"}}, ("bounded", 192, "orbit")),
        (BARE_PHOTOS, {"training": {"samplesPerRay": 192}}, ("unbounded", 192, "cameras")),
        (BARE_PHOTOS, {"outputs": {"video": {"path": "orbit"}}}, ("unbounded", 64, "orbit")),
        (POSED, {}, ("bounded", 192, "orbit")),
    ],
)
def test_of_bare_photos_each_setting_that_nobody_chose_suits_a_background(
    recorded: type[Recorded],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    report: DatasetReport,
    sections: dict[str, Any],
    want: tuple[str, int, str],
) -> None:
    monkeypatch.setattr(recorded, "dataset", report)
    monkeypatch.setattr(alone, "gpus", lambda _: 0)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(sections))
    alone.run_stages(load_config(file), tmp_path)
    used = recorded.calls[-1][1]
    assert used.outputs.video is not None
    found = (used.model.space, used.training.samples_per_ray, used.outputs.video.path)
    assert found == want


@pytest.mark.parametrize(("steps", "stages"), [(40, 2), (50, 3)])
def test_a_training_that_is_done_is_not_repeated(
    recorded: type[Recorded], tmp_path: Path, steps: int, stages: int
) -> None:
    finish_training(tmp_path, 40)
    alone.run_stages(config(training={"steps": steps}), tmp_path)
    assert len(recorded.calls) == stages


@pytest.mark.parametrize(("target", "done"), [(19.5, True), (20, True), (20.5, False)])
def test_a_training_that_reached_its_target_is_not_repeated(
    tmp_path: Path, target: float, done: bool
) -> None:
    finish_training(tmp_path, 40, psnr=20.0)
    wanted = config(training={"steps": 1000, "targetPSNR": target})
    assert alone.is_trained(wanted, tmp_path) is done
    (tmp_path / "checkpoints" / "step-000000040").rename(tmp_path / "checkpoints/step-000000030")
    assert not alone.is_trained(wanted, tmp_path)


def test_a_few_good_views_are_no_end_of_a_training(tmp_path: Path) -> None:
    finish_training(tmp_path, 40, psnr=25.0, complete=False)
    assert not alone.is_trained(config(training={"steps": 1000, "targetPSNR": 20}), tmp_path)
    assert not alone.is_trained(config(training={"steps": 40}), tmp_path)


WITHOUT_CHECKPOINT = '{"step": 40, "psnr": 30, "complete": true}'


@pytest.mark.parametrize("text", ["{", "[]", '{"step": 40}', WITHOUT_CHECKPOINT])
def test_a_training_without_scores_or_checkpoint_is_not_done(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.json").write_text(text)
    assert not alone.is_trained(config(training={"steps": 40}), tmp_path)


def test_there_is_a_process_for_each_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alone, "usable_cpus", lambda: 3)
    assert alone.processes(config(training={"device": "cpu"})) == 3
    assert alone.processes(config(training={"device": "cpu", "shards": 2})) == 2
    assert alone.launcher(1) == [sys.executable]
    assert "--nproc-per-node=2" in alone.launcher(2)


@pytest.mark.parametrize(
    ("visible", "count"),
    [
        (None, 4),
        ("0", 1),
        ("2, 3", 2),
        ("GPU-ab,GPU-cd,-1,0", 2),
        ("", 0),
        ("-1", 0),
        ("0,1,2,3,4", 4),
    ],
)
def test_gpus_are_counted_as_cuda_does(
    visible: str | None, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidia3", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    monkeypatch.setattr(gpu_files, "DEVICES", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert alone.gpus(config()) == count


def test_a_stage_is_given_the_config_and_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "told.py"
    module.write_text(
        "import os, sys, pathlib\n"
        "from nerf_contract.training import TrainerConfig\n"
        "from nerf_trainer.failures import write_termination\n"
        "text = pathlib.Path(sys.argv[2]).read_text()\n"
        "write_termination('Told', str(TrainerConfig.model_validate_json(text).training.steps))\n"
    )
    monkeypatch.setenv("PYTHONPATH", ":".join([str(tmp_path), *sys.path]))
    told = alone.Stages(tmp_path).run(config(training={"steps": 77}), "told")
    assert told is not None
    assert (told.reason, told.message) == ("Told", "77")


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("write_termination('DatasetInvalid', 'x.png is missing.'); sys.exit(1)", 65),
        ("sys.exit(3)", 3),
        ("os.kill(os.getpid(), 9)", 137),
    ],
)
def test_a_stage_that_fails_ends_all_with_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, code: int
) -> None:
    imports = "import os, sys\nfrom nerf_trainer.failures import write_termination\n"
    (tmp_path / "failing.py").write_text(imports + script)
    monkeypatch.setenv("PYTHONPATH", ":".join([str(tmp_path), *sys.path]))
    with pytest.raises(alone.StageFailedError) as caught:
        alone.Stages(tmp_path).run(config(), "failing")
    assert caught.value.exit_code == code


def test_the_reason_of_a_stage_is_not_that_of_an_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(names.ENV_TERMINATION_LOG, str(tmp_path / "last-word.json"))
    write_termination(DATASET_INVALID, "from before")
    (tmp_path / "silent.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", ":".join([str(tmp_path), *sys.path]))
    assert alone.Stages(tmp_path).run(config(), "silent") is None
