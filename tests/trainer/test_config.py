"""The config file: what is refused, what is only warned of, and what a checkpoint depends on."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from nerf_contract.reasons import CONFIG_INVALID
from nerf_contract.training import TrainerConfig
from nerf_trainer.config import group_hash, identity, identity_hash, load_config
from nerf_trainer.failures import TrainerFailure


def write(folder: Path, data: Any) -> Path:
    path = folder / "config.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def test_defaults_without_a_file() -> None:
    assert load_config(None) == TrainerConfig()


def test_camel_case_fields_are_read(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, {"training": {"raysPerBatch": 64, "targetPSNR": 20}}))
    assert config.training.rays_per_batch == 64
    assert config.training.target_psnr == 20


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{", ["not JSON", "line 1, column 2"]),
        ("[]", ["must hold a JSON object"]),
        ({"training": {"steps": -1}}, ["training.steps", "greater than or equal to 1", "-1"]),
        ({"training": {"steps": "many"}}, ["training.steps", "integer", "many"]),
        ({"training": {"raysPerBatch": 100, "shards": 8}}, ["raysPerBatch (100)", "shards (8)"]),
        ({"model": {"type": "splat"}}, ["model.type", "splat"]),
        (
            {"model": {"baseResolution": 64, "finestResolution": 32}},
            ["model.baseResolution (64)", "model.finestResolution (32)"],
        ),
        ({"dataset": {"path": "/etc"}}, ["dataset.path", "/etc"]),
    ],
)
def test_wrong_values_are_named(tmp_path: Path, data: Any, words: list[str]) -> None:
    with pytest.raises(TrainerFailure) as caught:
        load_config(write(tmp_path, data))
    assert caught.value.reason == CONFIG_INVALID
    for word in words:
        assert word in caught.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainerFailure, match=r"none\.json.*No such file.*--config"):
        load_config(tmp_path / "none.json")


def test_unknown_fields_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = {"training": {"steps": 7, "magic": 1}, "extra": {}}
    with caplog.at_level(logging.WARNING):
        config = load_config(write(tmp_path, data))
    assert config.training.steps == 7
    assert "training.magic" in caplog.text
    assert "unknown field extra" in caplog.text


def changed(section: str, **fields: Any) -> TrainerConfig:
    config = TrainerConfig()
    part = getattr(config, section).model_copy(update=fields)
    return config.model_copy(update={section: part})


@pytest.mark.parametrize(
    "other",
    [
        changed("training", steps=5),
        changed("training", eval_every=5),
        changed("training", target_psnr=5.0),
        changed("training", threads=3, device="cpu", compile=False),
        changed("dataset", wait_seconds=9),
        changed("checkpoint", interval_seconds=1, keep=1),
    ],
)
def test_fields_that_do_not_decide_the_result(other: TrainerConfig) -> None:
    assert identity_hash(identity(other)) == identity_hash(identity(TrainerConfig()))


@pytest.mark.parametrize(
    ("other", "field"),
    [
        (changed("training", seed=5), "training.seed"),
        (changed("training", rays_per_batch=64), "training.raysPerBatch"),
        (changed("dataset", downscale=2), "dataset.downscale"),
        (changed("model", levels=2), "model.levels"),
    ],
)
def test_fields_that_decide_the_result(other: TrainerConfig, field: str) -> None:
    ours, theirs = identity(TrainerConfig()), identity(other)
    assert [key for key in ours if ours[key] != theirs[key]] == [field]


@pytest.mark.parametrize(
    "other",
    [
        changed("training", threads=3, device="cpu", compile=False),
        changed("dataset", wait_seconds=9),
        changed("checkpoint", interval_seconds=1, keep=1),
    ],
)
def test_fields_in_which_members_of_a_group_may_differ(other: TrainerConfig) -> None:
    assert group_hash(other) == group_hash(TrainerConfig())


@pytest.mark.parametrize(
    "other",
    [
        changed("training", steps=5),
        changed("training", eval_every=5),
        changed("training", target_psnr=5.0),
        changed("training", determinism="fast"),
        changed("training", seed=5),
        changed("model", levels=2),
    ],
)
def test_fields_in_which_they_may_not(other: TrainerConfig) -> None:
    assert group_hash(other) != group_hash(TrainerConfig())
