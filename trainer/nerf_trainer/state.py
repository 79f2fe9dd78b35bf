"""All that training changes: what a checkpoint holds, and what a joining worker is sent."""

import hashlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from nerf_contract.training import TrainerConfig
from nerf_trainer.models import create_model
from nerf_trainer.precision import Precision
from nerf_trainer.schedule import first_learning_rate, learning_rate, settings_at

BETAS = (0.9, 0.99)
EPSILON = 1e-15


class TrainState:
    """Model, optimizer, loss scaler, the completed steps, and how far chunks were halved.

    Nothing else decides how training goes on: the schedule and all randomness follow from the
    step.
    """

    def __init__(self, config: TrainerConfig, chunk_rays: int, device: torch.device) -> None:
        self._training = config.training
        self.step = 0
        self.halvings = 0
        self.model = create_model(config, chunk_rays).to(device)
        self.precision = Precision(config.training.precision, device)
        hashed = config.model.resolved_encoding == "hashgrid"
        self._first_rate = first_learning_rate(config.training, hashed)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=self._first_rate, betas=BETAS, eps=EPSILON, fused=True
        )
        self._create_moments()
        self.apply_schedule()

    def _create_moments(self) -> None:
        """Adam makes its moments in the first step; a checkpoint may be read before that."""
        for parameter in self.model.parameters():
            self.optimizer.state[parameter] = {
                "step": torch.zeros((), device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }

    def apply_schedule(self) -> None:
        """Set what the next step is to be done with."""
        self.model.apply_settings(settings_at(self._training, self.step))
        rate = learning_rate(self._first_rate, self.step, self._training.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def apply_gradients(self) -> None:
        """One step of the optimizer; with a loss scaler, only where the gradients are finite."""
        self.precision.scaler.step(self.optimizer)
        self.precision.scaler.update()

    def advance(self) -> None:
        """A step is done, whether or not it changed the weights."""
        self.step += 1
        self.apply_schedule()

    def tensors(self) -> dict[str, Tensor]:
        """The whole state by name. The tensors are the live ones, but for the scalars."""
        scalars = {"step": torch.tensor(self.step), "halvings": torch.tensor(self.halvings)}
        return dict(self._live()) | self.precision.state() | scalars

    def _live(self) -> Iterator[tuple[str, Tensor]]:
        for name, tensor in self.model.state_dict().items():
            yield f"model.{name}", tensor
        for name, parameter in self.model.named_parameters():
            for key, value in self.optimizer.state[parameter].items():
                yield f"optimizer.{name}.{key}", value

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take over what `tensors` gave, of this or another process."""
        for name, tensor in self._live():
            tensor.copy_(tensors[name])
        self.model.refresh()
        self.precision.load(tensors)
        self.step = int(tensors["step"])
        self.halvings = int(tensors["halvings"])
        self.apply_schedule()


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of tensors and their names, in hex: equal where two trainings came to the same."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
