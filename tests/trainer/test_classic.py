"""The classic network and its training, against an independent slow implementation."""

import pytest

torch = pytest.importorskip("torch")

import slow_nerf  # noqa: E402
from scene_files import blender_scene  # noqa: E402

from nerf_contract.training import PreparedDataset, TrainerConfig  # noqa: E402
from nerf_trainer.elastic.interface import Generation  # noqa: E402
from nerf_trainer.fields.classic import ClassicNetwork  # noqa: E402
from nerf_trainer.fields.frequency import FrequencyEncoding  # noqa: E402
from nerf_trainer.scenes import load_scene  # noqa: E402
from nerf_trainer.schedule import learning_rate  # noqa: E402
from nerf_trainer.state import BETAS, EPSILON  # noqa: E402
from nerf_trainer.trainer import Trainer  # noqa: E402

pytestmark = pytest.mark.torch

ALONE = Generation(number=1, rank=0, world_size=1, source=0, writer=0)
BOUND = 1.0
CONFIG = {
    "model": {"type": "mlp", "sceneBound": BOUND},
    "training": {
        **{"steps": 200, "raysPerBatch": 8, "shards": 2, "samplesPerRay": 16},
        **{"compile": False, "threads": 1},
    },
}


def test_encodings_have_60_and_24_features_without_the_raw_coordinates() -> None:
    v = torch.rand(5, 3) * 2 - 1
    for count, features in ((10, 60), (4, 24)):
        encoded = FrequencyEncoding(count)(v)
        assert encoded.shape == (5, features)
        slow = slow_nerf.encode(v.t().double(), count)
        torch.testing.assert_close(encoded.t().double(), slow, atol=1e-3, rtol=0)


def test_the_network_has_the_layers_of_the_paper() -> None:
    shapes = {name: tuple(p.shape) for name, p in ClassicNetwork(60).named_parameters()}
    weights = {name: shape for name, shape in shapes.items() if name.endswith("weight")}
    assert list(weights.values()) == [
        *((256, 60), (256, 256), (256, 256), (256, 256), (256, 256), (256, 316)),
        *((256, 256), (256, 256), (1, 256), (256, 256), (128, 280), (3, 128)),
    ]
    assert sum(p.numel() for p in ClassicNetwork(60).parameters()) == 593_924


def test_the_raw_output_is_that_of_the_slow_network() -> None:
    torch.manual_seed(0)
    fast = ClassicNetwork(60).double()
    weights = dict(fast.named_parameters())
    points, d = torch.rand(3, 3).double() * 2 - 1, torch.randn(3, 3).double()
    position, direction = FrequencyEncoding(10).double()(points), fast.directions(d)
    raw = fast.raw(position, direction)
    assert raw.shape == (3, 4)
    slow = slow_nerf.network(weights, points.t(), d.t())
    torch.testing.assert_close(raw.t(), slow, atol=1e-5, rtol=1e-5)
    sigma, rgb = fast(position, d)
    torch.testing.assert_close(sigma.double(), torch.relu(raw[:, 3]), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(rgb.double(), torch.sigmoid(raw[:, :3]), atol=1e-6, rtol=1e-5)


def test_training_follows_the_slow_reference_over_200_steps(tmp_path) -> None:
    config = TrainerConfig.model_validate(CONFIG)
    torch.set_num_threads(1)
    scene = load_scene(PreparedDataset(), blender_scene(tmp_path), config.model.resolved_background)
    trainer = Trainer(config, scene, torch.device("cpu"))
    coarse, fine = ({}, {})
    for name, parameter in trainer.state.model.named_parameters():
        network = coarse if name.startswith("coarse.") else fine
        network[name.split(".network.")[1]] = parameter.detach().double().requires_grad_()
    parameters = [*coarse.values(), *fine.values()]
    adam, fast, slow = slow_nerf.Adam(BETAS, EPSILON), [], []
    for step in range(200):
        slow.append(slow_step(trainer, coarse, fine))
        adam.step(parameters, learning_rate(0.0005, step, 200))
        fast.append(trainer.step(ALONE, changing=False).loss)
    torch.testing.assert_close(torch.tensor(fast[:20]), torch.tensor(slow[:20]), rtol=1e-3, atol=0)
    smooth = [torch.tensor(losses).view(10, 20).mean(1) for losses in (fast, slow)]
    torch.testing.assert_close(*smooth, rtol=0.03, atol=0)
    assert smooth[0][-1] < smooth[0][0] * 0.8


def slow_step(trainer, coarse, fine) -> float:
    """The fine network's loss of one batch; its gradients are accumulated."""
    errors = []
    total = torch.zeros((), dtype=torch.float64)
    for shard in range(2):
        for rays, noise in trainer._chunks(shard):
            for r in range(len(rays)):
                ray = rays.o[r].double(), rays.d[r].double(), rays.rgb[r].double()
                rough, sharp = slow_nerf.ray_loss(
                    coarse, fine, ray, noise[:, r].tolist(), (4, 8), BOUND
                )
                total = total + rough + sharp
                errors.append(float(sharp))
    (total / (3 * len(errors))).backward()
    return sum(errors) / (3 * len(errors))
