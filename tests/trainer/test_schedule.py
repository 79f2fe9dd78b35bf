"""Stages, detail and chunks: what follows from the config and the step alone."""

import pytest

torch = pytest.importorskip("torch")

from nerf_contract.training import TrainerConfig, TrainingConfig  # noqa: E402
from nerf_trainer.fields.detail import open_share  # noqa: E402
from nerf_trainer.fields.frequency import FrequencyEncoding  # noqa: E402
from nerf_trainer.fields.hashgrid import HashGrid  # noqa: E402
from nerf_trainer.schedule import (  # noqa: E402
    Settings,
    chunk_rays,
    first_learning_rate,
    settings_at,
)

pytestmark = pytest.mark.torch

STAGED = TrainingConfig.model_validate(
    {
        "samplesPerRay": 128,
        "stages": [
            {"fromStep": 0, "downscale": 4, "detail": 20, "samplesPerRay": 64},
            {"fromStep": 100, "downscale": 2},
            {"fromStep": 200, "downscale": 1, "detail": 100, "samplesPerRay": 256},
        ],
    }
)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, Settings(downscale=4, samples_per_ray=64, detail=0.2)),
        (99, Settings(downscale=4, samples_per_ray=64, detail=0.2 + 0.8 * 0.495)),
        (100, Settings(downscale=2, samples_per_ray=64, detail=0.6)),
        (200, Settings(downscale=1, samples_per_ray=256, detail=1.0)),
        (9999, Settings(downscale=1, samples_per_ray=256, detail=1.0)),
    ],
)
def test_a_stage_replaces_what_it_names(step: int, expected: Settings) -> None:
    found = settings_at(STAGED, step)
    assert found.detail == pytest.approx(expected.detail)
    assert (found.downscale, found.samples_per_ray) == (
        expected.downscale,
        expected.samples_per_ray,
    )


def test_without_stages_everything_is_open() -> None:
    training = TrainingConfig(steps=20)
    assert settings_at(training, 5) == Settings(1, training.samples_per_ray, 1.0, progress=0.25)


def test_stages_must_be_in_order() -> None:
    stages = [{"fromStep": 10, "downscale": 1}, {"fromStep": 10, "downscale": 2}]
    with pytest.raises(ValueError, match=r"training\.stages"):
        TrainerConfig.model_validate({"training": {"stages": stages}})


def test_levels_open_from_coarse_to_fine() -> None:
    shares = [open_share(detail, 4) for detail in (0.0, 0.25, 0.375, 0.5, 1.0)]
    assert [round(float(s.sum()), 3) for s in shares] == [1.0, 1.0, 1.5, 2.0, 4.0]
    assert all(bool((s[:-1] >= s[1:]).all()) for s in shares)


@pytest.mark.parametrize(
    ("encoding", "by_level"),
    [
        (FrequencyEncoding(4), lambda features: features.view(10, 4, 6)),
        (HashGrid(4, 10, 6, 4, 32), lambda features: features.view(10, 6, 4).mT),
    ],
)
def test_shut_levels_are_zero(encoding, by_level) -> None:
    v = torch.rand(10, 3) * 2 - 1
    encoding.set_detail(0.5)
    half = by_level(encoding(v))
    assert bool((half[:, :2] != 0).any()) and bool((half[:, 2:] == 0).all())
    encoding.set_detail(1.0)
    assert bool((by_level(encoding(v))[:, 3] != 0).any())


@pytest.mark.parametrize(
    ("shard", "allowed", "halvings", "expected"),
    [(256, None, 0, 256), (256, 100, 0, 64), (256, None, 2, 64), (250, 100, 0, 50), (7, 4, 9, 1)],
)
def test_chunks_divide_a_shard(shard, allowed, halvings, expected) -> None:
    training = TrainingConfig(rays_per_batch=8 * shard, shards=8, rays_per_chunk=allowed)
    assert chunk_rays(training, halvings) == expected


def test_the_learning_rate_suits_the_encoding_unless_it_is_given() -> None:
    assert first_learning_rate(TrainingConfig(), hashed=True) == 0.02
    assert first_learning_rate(TrainingConfig(), hashed=False) == 0.0005
    assert first_learning_rate(TrainingConfig(learning_rate=0.1), hashed=True) == 0.1
