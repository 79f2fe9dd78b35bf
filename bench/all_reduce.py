"""One flat all-reduce of all gradients against DistributedDataParallel, with the default model.

    tools/images/in-trainer -- torchrun --nproc-per-node=2 --rdzv-backend=nerf \\
        --rdzv-endpoint=127.0.0.1:29400 bench/all_reduce.py

Both add up the same gradients over the ranks, in turns. The forward pass is next to nothing, so
that the difference is what the summing costs; making anew is what each change of the group costs.
The last line of the output is one JSON object, of rank 0.
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
from nerf_trainer.gradients import GradientBuffer
from nerf_trainer.models import create_model
from nerf_trainer.schedule import chunk_rays

ROUNDS = 200
PORT = 29511
RANK = int(os.environ["LOCAL_RANK"])
WORLD_SIZE = int(os.environ["LOCAL_WORLD_SIZE"])


class Sum(nn.Module):  # type: ignore[misc]
    """A loss that touches each parameter of the default model."""

    def __init__(self) -> None:
        super().__init__()
        config = TrainerConfig()
        model = create_model(config, chunk_rays(config.training, 0))
        self.parts = nn.ParameterList([nn.Parameter(p.detach()) for p in model.parameters()])

    def forward(self) -> Tensor:
        """A scalar whose gradient is 1 everywhere."""
        return torch.stack([part.sum() for part in self.parts]).sum()


def main() -> None:
    """Measure, and print the figures."""
    torch.set_num_threads(1)
    store = dist.TCPStore("127.0.0.1", PORT, WORLD_SIZE, RANK == 0, use_libuv=False)
    dist.init_process_group("gloo", store=store, rank=RANK, world_size=WORLD_SIZE)
    flat_model = Sum()
    buffer = GradientBuffer(flat_model.parameters(), tail=5)
    generation = Generation(1, RANK, WORLD_SIZE, source=0, writer=0)
    parallel = DistributedDataParallel(Sum(), gradient_as_bucket_view=True)

    def flat() -> None:
        buffer.zero()
        flat_model().backward()
        buffer.sum_over_ranks(torch.zeros(5), generation)

    def ddp() -> None:
        parallel.zero_grad()
        parallel().backward()

    times: dict[str, list[float]] = {"flat": [], "ddp": [], "ddp_made_anew": []}
    for _ in range(ROUNDS):
        times["flat"].append(seconds(flat))
        times["ddp"].append(seconds(ddp))
    for _ in range(20):
        times["ddp_made_anew"].append(seconds(lambda: DistributedDataParallel(Sum())))
    if RANK == 0:
        medians = {f"{name}_ms": round(statistics.median(t) * 1e3, 2) for name, t in times.items()}
        parameters = sum(p.numel() for p in flat_model.parameters())
        print(
            json.dumps(
                medians
                | {"parameters": parameters, "world_size": WORLD_SIZE}
                | {"machine": machine(), "date": time.strftime("%Y-%m-%d")}
            )
        )
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
