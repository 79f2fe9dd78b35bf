"""A tiny elastic trainer: fits a linear model until told to finish, and notes every step.

Run by torchrun as `linear_worker.py DIR`. Each process appends one JSON line a step to
DIR/steps-<pid>.jsonl; all end at the same step after DIR/finish exists. The training of a process
does not get on, while its heart beats, for as long as there is DIR/stall-<pid>.
"""

import json
import logging
import os
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist

from nerf_contract.reasons import FAILURES, WORKER_LEFT
from nerf_trainer.departure import Departure
from nerf_trainer.elastic import create_membership
from nerf_trainer.elastic.activity import activity
from nerf_trainer.elastic.collective import complete
from nerf_trainer.elastic.interface import Generation, Membership, PeerLost, peer_loss

SHARDS = 4
FEATURES = 256
STEP_SECONDS = 0.02
#: Of a step, from where on the others need not wait.
OVERDUE_SECONDS = 2.0


def shard_gradient(weights: torch.Tensor, step: int, shard: int) -> torch.Tensor:
    """The gradient of one shard's squared error: a function of (weights, step, shard) alone."""
    generator = torch.Generator().manual_seed(step * SHARDS + shard)
    inputs = torch.randn(16, FEATURES, generator=generator, dtype=torch.float64)
    error = inputs @ weights - inputs.sum(dim=1)
    return inputs.T @ error / len(inputs) / SHARDS


class Trainer:
    def __init__(self, folder: Path, membership: Membership, departure: Departure) -> None:
        self.folder = folder
        self.departure = departure
        departure.prepare(membership.announce_departure, self.save)
        self.membership = membership
        self.step = 0
        self.weights = torch.zeros(FEATURES, dtype=torch.float64)
        self.log = (folder / f"steps-{os.getpid()}.jsonl").open("a", buffering=1)

    def run(self) -> None:
        finished = False
        while not finished:
            self.departure.stop_if_asked()
            generation = self.membership.join(self.step)
            try:
                with self.departure.in_group(), peer_loss():
                    finished = self.train(generation)
            except PeerLost as lost:
                print(f"{os.getpid()} lost a peer after step {self.step}: {lost}", flush=True)
            self.membership.leave()
        self.membership.close()

    def save(self) -> None:
        (self.folder / f"saved-{os.environ['NERF_WORKER_INDEX']}").write_text(str(self.step))

    def train(self, generation: Generation) -> bool:
        """Step until a change (False) or the end (True)."""
        state = torch.cat([self.weights, torch.tensor([self.step], dtype=torch.float64)])
        complete(dist.broadcast(state, generation.source, async_op=True))
        self.weights, self.step = state[:-1].clone(), int(state[-1])
        while True:
            with self.departure.state_changes():
                changing, finish = self.train_step(generation)
            if finish:
                complete(dist.barrier(async_op=True))
            if changing or finish:
                return finish

    def train_step(self, generation: Generation) -> tuple[bool, bool]:
        shards = range(generation.rank, SHARDS, generation.world_size)
        total = torch.zeros(FEATURES + 2, dtype=torch.float64)
        for shard in shards:
            total[:FEATURES] += shard_gradient(self.weights, self.step, shard)
        total[FEATURES] = self.membership.changing()
        total[FEATURES + 1] = (self.folder / "finish").exists()
        time.sleep(STEP_SECONDS)
        while (self.folder / f"stall-{os.getpid()}").exists():
            time.sleep(STEP_SECONDS)
        complete(dist.all_reduce(total, async_op=True))
        self.weights = self.weights - 0.01 * total[:FEATURES]
        self.step += 1
        self.note(generation)
        return bool(total[FEATURES] > 0), bool(total[FEATURES + 1] > 0)

    def note(self, generation: Generation) -> None:
        line = {
            "pod": int(os.environ["NERF_WORKER_INDEX"]),
            "pid": os.getpid(),
            "step": self.step,
            "generation": generation.number,
            "world": generation.world_size,
            "time": time.monotonic(),
            "weights": float(self.weights.sum()),
        }
        self.log.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    activity.least_seconds = activity.step_seconds = OVERDUE_SECONDS
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(message)s")
    departure = Departure(lambda: os._exit(FAILURES[WORKER_LEFT].exit_code))
    departure.listen()
    Trainer(Path(sys.argv[1]), create_membership(torch.device("cpu")), departure).run()
