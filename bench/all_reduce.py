"""How the gradients of all ranks are added up: plainly, exactly, and by DistributedDataParallel.

    tools/images/in-trainer -- torchrun --nproc-per-node=2 --rdzv-backend=nerf \\
        --rdzv-endpoint=127.0.0.1:29400 bench/all_reduce.py

All add up the same gradients of the default model's shards, in turns. The forward pass is next to
nothing, so that the differences are what the summing costs; making DDP anew is what each change of
the group would cost. The last line of the output is one JSON object, of rank 0.
"""

import json
import os
import statistics
import time
from collections.abc import Callable

import torch
import torch.distributed as dist
from machine import machine
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nerf_contract.training import TrainerConfig
from nerf_trainer.elastic.interface import Generation
from nerf_trainer.gradients import ExactGradientSum, GradientSum, shards_of
from nerf_trainer.models import create_model
from nerf_trainer.schedule import chunk_rays

ROUNDS = 200
PORT = 29511
CONFIG = TrainerConfig()
RANK = int(os.environ["LOCAL_RANK"])
WORLD_SIZE = int(os.environ["LOCAL_WORLD_SIZE"])
SHARDS = shards_of(RANK, WORLD_SIZE, CONFIG.training.shards)


class Sum(nn.Module):  # type: ignore[misc]
    """A loss that touches each parameter of the default model."""

    def __init__(self) -> None:
        super().__init__()
        model = create_model(CONFIG, chunk_rays(CONFIG.training, 0))
        self.parts = nn.ParameterList([nn.Parameter(p.detach()) for p in model.parameters()])

    def forward(self) -> Tensor:
        """A scalar whose gradient is 1 everywhere."""
        return torch.stack([part.sum() for part in self.parts]).sum()


def step_of(kind: type[GradientSum]) -> Callable[[], object]:
    """A step's backward passes of all shards of this rank, and the sum over the ranks."""
    model = Sum()
    gradients = kind(model.parameters(), CONFIG.training.shards, tail=3, votes=2)
    generation = Generation(1, RANK, WORLD_SIZE, source=0, writer=0)
    tail, votes = torch.zeros(3), torch.zeros(2)

    def step() -> None:
        gradients.zero()
        for shard in SHARDS:
            model().backward()
            gradients.end_shard(shard, tail)
        gradients.over_ranks(votes, generation)

    return step


def step_of_ddp() -> Callable[[], object]:
    """The same by DDP, whose ranks exchange gradients in the last of their backward passes."""
    model = DistributedDataParallel(Sum(), gradient_as_bucket_view=True)

    def step() -> None:
        model.zero_grad()
        with model.no_sync():
            for _ in SHARDS[:-1]:
                model().backward()
        model().backward()

    return step


def main() -> None:
    """Measure, and print the figures."""
    torch.set_num_threads(1)
    store = dist.TCPStore("127.0.0.1", PORT, WORLD_SIZE, RANK == 0, use_libuv=False)
    dist.init_process_group("gloo", store=store, rank=RANK, world_size=WORLD_SIZE)
    steps = {
        "fast": step_of(GradientSum),
        "exact": step_of(ExactGradientSum),
        "ddp": step_of_ddp(),
    }
    times: dict[str, list[float]] = {name: [] for name in [*steps, "ddp_made_anew"]}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            times[name].append(seconds(step))
    for _ in range(20):
        times["ddp_made_anew"].append(seconds(lambda: DistributedDataParallel(Sum())))
    if RANK == 0:
        medians = {f"{name}_ms": round(statistics.median(t) * 1e3, 2) for name, t in times.items()}
        sizes = {
            "parameters": sum(p.numel() for p in Sum().parameters()),
            "shards": CONFIG.training.shards,
            "world_size": WORLD_SIZE,
        }
        where = {"machine": machine(), "date": time.strftime("%Y-%m-%d")}
        print(json.dumps(medians | sizes | where))
    dist.barrier()


def seconds(action: Callable[[], object]) -> float:
    """Wall time of the action, begun by all ranks at once."""
    dist.barrier()
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
    os._exit(0)
