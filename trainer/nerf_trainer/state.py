"""All that training changes: what a checkpoint holds, and what a joining worker is sent."""

from collections.abc import Iterator

import torch
from torch import Tensor

from nerf_contract.training import TrainerConfig
from nerf_trainer.fields import create_field
from nerf_trainer.occupancy import OccupancyGrid
from nerf_trainer.precision import Precision
from nerf_trainer.schedule import learning_rate

BETAS = (0.9, 0.99)
EPSILON = 1e-15


class TrainState:
    """Model, optimizer, occupancy grid, loss scaler and the completed steps.

    Nothing else decides how training goes on: the schedule and all randomness follow from the
    step.
    """

    def __init__(self, config: TrainerConfig, device: torch.device) -> None:
        model, training = config.model, config.training
        self.step = 0
        self.field = create_field(model, training.seed).to(device)
        self.grid = OccupancyGrid(model.occupancy_resolution, model.scene_bound).to(device)
        self.precision = Precision(training.precision, device)
        self.optimizer = torch.optim.Adam(
            self.field.parameters(),
            lr=training.learning_rate,
            betas=BETAS,
            eps=EPSILON,
            fused=True,
        )
        self._training = training
        self._create_moments()

    def _create_moments(self) -> None:
        """Adam makes its moments in the first step; a checkpoint may be read before that."""
        for parameter in self.field.parameters():
            self.optimizer.state[parameter] = {
                "step": torch.zeros((), device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }

    def apply_gradients(self) -> None:
        """One step of the optimizer, at the scheduled learning rate."""
        rate = learning_rate(self._training.learning_rate, self.step, self._training.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.precision.scaler.step(self.optimizer)
        self.precision.scaler.update()

    def tensors(self) -> dict[str, Tensor]:
        """The whole state by name. The tensors are the live ones, but for the scalars."""
        live = dict(self._live())
        return live | self.precision.state() | {"step": torch.tensor(self.step)}

    def _live(self) -> Iterator[tuple[str, Tensor]]:
        yield "occupancy.density", self.grid.density
        for name, parameter in self.field.named_parameters():
            yield f"field.{name}", parameter.detach()
            for key, value in self.optimizer.state[parameter].items():
                yield f"optimizer.{name}.{key}", value

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take over what `tensors` gave, of this or another process."""
        for name, tensor in self._live():
            tensor.copy_(tensors[name])
        self.grid.refresh()
        self.precision.load(tensors)
        self.step = int(tensors["step"])
