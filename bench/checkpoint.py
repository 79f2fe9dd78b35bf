"""What keeping the state costs the training, and what is left after kills.

    tools/images/in-trainer -v DIR:/disk -- python3 bench/checkpoint.py --folder /disk

`make bench-checkpoint` does it in a folder of this machine's disk that the image may write.

In turns, a training step is followed by a snapshot as the trainer takes it (a copy, which a thread
writes to memory) and by a synchronous save: a copy of the state to a file on the disk, with its
checksum and fsync. A stall is the time that the training thread waits. `beside_writer` is how much
longer a step takes while the thread writes.

Then processes that do nothing but save are killed (SIGKILL), each at a random moment of a save. The
newest checkpoint that was complete must be the one that is loaded, bit by bit. The last line of the
output is one JSON object.
"""

import argparse
import json
import multiprocessing
import os
import random
import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import safetensors.torch
import torch
from machine import machine
from percentiles import percentile
from torch import Tensor

from nerf_contract import names
from nerf_trainer.checkpoint import CheckpointStore
from nerf_trainer.saver import BackgroundSaver
from nerf_trainer.state_buffer import StateBuffer

CPU = torch.device("cpu")
#: A killed process saves a smaller state, so that hundreds of kills take minutes.
KILLED_MB = 4
State = dict[str, Tensor]


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mb", type=float, default=50, help="size of the state; default 50")
    parser.add_argument("--kills", type=int, default=500, help="default 500")
    parser.add_argument("--rounds", type=int, default=100, help="pairs of saves; default 100")
    parser.add_argument("--folder", type=Path, required=True, help="on the disk to measure")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=arguments.folder) as disk,
        tempfile.TemporaryDirectory(dir=names.SHARED_MEMORY) as memory,
    ):
        state = state_of(arguments.mb)
        found = stalls(state, arguments.rounds, Path(disk) / "sync", Path(memory))
        print(json.dumps(found), flush=True)
        found |= kills(arguments.kills, Path(disk) / "killed")
    circumstances = {"machine": machine(), "date": time.strftime("%Y-%m-%d")}
    print(json.dumps(found | circumstances))


def state_of(megabytes: float, value: float = 0.0) -> State:
    """A table, its two moments, and the small tensors that a network has beside them."""
    entries = int(megabytes * 1e6 / 4 / 3)
    tables = {name: torch.full((entries,), value) for name in ("table", "exp_avg", "exp_avg_sq")}
    small = {f"layer{k}.weight": torch.full((64, 32), value) for k in range(30)}
    return tables | small | {"step": torch.tensor(int(value))}


# --- Stalls --------------------------------------------------------------------------------------


def stalls(state: State, rounds: int, disk: Path, memory: Path) -> dict[str, float]:
    """Milliseconds that training waits for a snapshot and for a synchronous save, in turns."""
    buffer = StateBuffer(state, CPU)
    saver = BackgroundSaver("snapshot", CheckpointStore(memory, {}, keep=1), buffer, 0)
    store = CheckpointStore(disk, {}, keep=1)
    step = compute_step()
    snapshots, saves, plain, beside = [], [], [], []
    for number in range(1, rounds + 1):
        plain.append(milliseconds(step))
        snapshots.append(milliseconds(partial(saver.save, number, state)))
        beside.append(milliseconds(step))
        saver.wait()
        saves.append(milliseconds(partial(save_now, store, number, state)))
    return {
        "state_mb": round(buffer.nbytes / 1e6, 1),
        "snapshot_stall_p50_ms": round(statistics.median(snapshots), 2),
        "snapshot_stall_p99_ms": round(percentile(snapshots, 99), 2),
        "sync_save_p50_ms": round(statistics.median(saves), 1),
        "ratio_vs_sync": round(statistics.median(saves) / statistics.median(snapshots), 1),
        "step_p50_ms": round(statistics.median(plain), 1),
        "beside_writer": round(statistics.median(beside) / statistics.median(plain), 2),
    }


def save_now(store: CheckpointStore, step: int, state: State) -> None:
    """A save for which training waits."""
    store.save(step, safetensors.torch.save(state))


def compute_step() -> Callable[[], object]:
    """Arithmetic on all cores, of some ten milliseconds, as a training step is."""
    a, b = torch.rand(4096, 64), torch.rand(64, 4096)
    return lambda: (a @ b).relu().sum()


def milliseconds(action: Callable[[], object]) -> float:
    """Wall time of the action."""
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1e3


# --- Kills ---------------------------------------------------------------------------------------


def kills(wanted: int, folder: Path) -> dict[str, float]:
    """Kill a process in the middle of a save, look at what is left, and go on from there."""
    torch.set_num_threads(1)  # The processes are forks, in which other threads are gone.
    store = CheckpointStore(folder, {}, keep=2)
    duration = milliseconds(lambda: store.save(1, packed(1))) / 1e3
    dice = random.Random(0)
    complete, good, newest = 1, 0, 0
    for _ in range(wanted):
        named = kill_one(folder, complete, dice.uniform(0, 2 * duration))
        found = CheckpointStore(folder, {}, keep=2).newest()
        good += found is not None and whole(found.tensors, found.step)
        newest += found is not None and found.step == named
        complete = found.step if found else 0
    return {"kills": wanted, "good_after_kill": good, "newest_loaded": newest}


def kill_one(folder: Path, step: int, delay: float) -> int:
    """Kill a process that saves the steps after `step`, `delay` seconds after it began.

    Returns the last step that is complete: it was told of as saved, or it has its name at least.
    """
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(
        target=save_for_ever, args=(folder, step, theirs)
    )
    process.start()
    theirs.close()
    assert ours.recv() == "begin"
    time.sleep(delay)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    told = step
    try:
        while True:
            told = ours.recv()
    except EOFError:
        pass
    named = max(int(path.name.rpartition("-")[2]) for path in folder.glob("step-*"))
    return max(told, named)


def save_for_ever(folder: Path, step: int, told: Connection) -> None:
    """Save one step after the other, and tell of each that is complete."""
    store = CheckpointStore(folder, {}, keep=2)
    told.send("begin")
    while True:
        step += 1
        store.save(step, packed(step))
        told.send(step)


def packed(step: int) -> bytes:
    """The state of a step, as a file."""
    return bytes(safetensors.torch.save(state_of(KILLED_MB, float(step))))


def whole(tensors: State, step: int) -> bool:
    """Whether all of a state is of this step."""
    wanted = state_of(KILLED_MB, float(step))
    return all(torch.equal(tensors[name], wanted[name]) for name in wanted)


if __name__ == "__main__":
    main()
