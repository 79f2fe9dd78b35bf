"""What an open viewer costs a training, and how many pictures a moving camera gets meanwhile.

    make bench-viewer

One training of two processes runs all the time. In turns the viewer is stopped by SIGSTOP, which is
as good as none, and looked at by a page that never stops moving. All of it is on one machine, the
page's client too. What the viewer takes while nobody looks is its CPU time. How soon the page shows
something is seen in Chromium, beside the training. The last line of the output is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from machine import machine
from viewer_browser import open_pages

from trainer import CHECKOUT, IN_TRAINER, render_demo_scene

PORT, TRAINER_PORT = 8090, 9400
TOKEN = "token-of-the-benchmark"  # Of a viewer on the loopback. # nosec B105
CONFIG = {
    "dataset": {"downscale": 1},
    "model": {"sceneBound": 1.15},
    "training": {"steps": 1_000_000, "evalEvery": 1_000_000, "threads": 1},
    "checkpoint": {"intervalSeconds": 15},
}
PATIENCE = 180.0
SETTLE = 4.0
Figures = dict[str, Any]
Process = subprocess.Popen[bytes]


def main() -> int:
    """Run all rounds, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scene", type=Path, help="a folder with poses; else the demo scene")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--openings", type=int, default=5, help="of the page in a browser")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each half of a round")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        work.chmod(0o777)
        scene = (arguments.scene or render_demo_scene(work / "demo")).resolve()
        print(json.dumps(measure(scene, work, arguments)))
    return 0


def measure(scene: Path, work: Path, wanted: argparse.Namespace) -> Figures:
    """All figures."""
    job = work / "job"
    job.mkdir()
    job.chmod(0o777)
    (job / "config.json").write_text(json.dumps(CONFIG))
    with running(train_command(scene, job), work / "training.log"):
        wait_for(lambda: any((job / "checkpoints").glob("step-*")))
        with running(viewer_command(scene, job), work / "viewer.log") as viewer:
            wait_for(lambda: get(PORT, "/healthz") == b"ok\n")
            idle = idle_share(viewer, 4 * wanted.seconds)
            opened = open_pages(f"http://127.0.0.1:{PORT}/?token={TOKEN}", wanted.openings)
            found = [measure_round(viewer, n, wanted.seconds) for n in range(wanted.rounds)]
            return summary(found) | openings(opened) | {"idle_cpu_percent": round(100 * idle, 2)}


def measure_round(viewer: Process, number: int, seconds: float) -> Figures:
    """Steps a second without the viewer and with it, in turns the one or the other first."""
    found: Figures = {}
    for looked_at in (True, False) if number % 2 else (False, True):
        pause(viewer, not looked_at)
        page = look(seconds) if looked_at else None
        found["viewer" if looked_at else "alone"] = steps_a_second(seconds)
        if page:
            found |= json.loads(page.communicate(timeout=PATIENCE)[0])
    print(f"round {number + 1}: {found}", flush=True)
    return found


def steps_a_second(seconds: float) -> float:
    """How fast the training goes, after a moment for things to settle."""
    time.sleep(SETTLE)
    first, began = progress_step(), time.monotonic()
    time.sleep(seconds)
    return (progress_step() - first) / (time.monotonic() - began)


def look(seconds: float) -> Process:
    """A page that moves all the while."""
    told = [str(PORT), TOKEN, str(seconds + SETTLE)]
    command = [str(IN_TRAINER), "--host-network", "--", "python3", "/src/bench/viewer_client.py"]
    return subprocess.Popen([*command, *told], stdout=subprocess.PIPE)


def summary(found: list[Figures]) -> Figures:
    """Medians over the rounds, and how much slower the training is with a viewer."""
    median = {key: statistics.median(r[key] for r in found) for key in found[0]}
    slower = [100 * (1 - r["viewer"] / r["alone"]) for r in found]
    return {
        "steps_per_second_alone": round(median["alone"], 2),
        "steps_per_second_with_viewer": round(median["viewer"], 2),
        "slower_percent": round(statistics.median(slower), 1),
        "slower_percent_quartiles": [round(q, 1) for q in statistics.quantiles(slower)[::2]],
        "pictures_per_second": round(median["picturesPerSecond"], 1),
        "picture_width": round(median["width"]),
        "rounds": len(found),
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
    }


def openings(opened: list[dict[str, float]]) -> Figures:
    """Medians, and the slowest first picture."""
    print(f"openings: {opened}", flush=True)
    first, live = ([page[key] for page in opened] for key in ("firstPicture", "live"))
    return {
        "first_picture_s": round(statistics.median(first), 2),
        "first_picture_slowest_s": round(max(first), 2),
        "live_picture_s": round(statistics.median(live), 2),
    }


def idle_share(process: Process, seconds: float) -> float:
    """CPU seconds by the second that a process and its children take."""
    time.sleep(SETTLE)
    before, began = cpu_seconds(process), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(process) - before) / (time.monotonic() - began)


def cpu_seconds(process: Process) -> float:
    """Of all processes of its session."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            ticks += (int(fields[3]) == process.pid) * (int(fields[11]) + int(fields[12]))
    return ticks / os.sysconf("SC_CLK_TCK")


def train_command(scene: Path, job: Path) -> list[str]:
    """A training without an end, by two processes of one thread."""
    return [
        *(str(IN_TRAINER), "--host-network", "-v", f"{scene}:/data:ro", "-v", f"{job}:/job"),
        *("-e", "NERF_DATASET_ROOT=/data", "-e", "NERF_OUTPUT_ROOT=/job", "--"),
        *("torchrun", "--nproc-per-node=2", "--rdzv-backend=nerf"),
        *("--rdzv-endpoint=127.0.0.1:29411", "-m", "nerf_trainer.train"),
        *("--config", "/job/config.json"),
    ]


def viewer_command(scene: Path, job: Path) -> list[str]:
    """The viewer of that training."""
    return [
        *(str(IN_TRAINER), "--host-network", "-v", f"{scene}:/data:ro", "-v", f"{job}:/job:ro"),
        *("-e", "NERF_DATASET_ROOT=/data", "-e", "NERF_OUTPUT_ROOT=/job"),
        *("-e", f"NERF_VIEWER_TOKEN={TOKEN}", "--"),
        *("python3", "-m", "nerf_trainer.viewer", "--config", "/job/config.json"),
        *("--port", str(PORT)),
    ]


@contextlib.contextmanager
def running(command: list[str], log: Path) -> Iterator[Process]:
    """A process and its children, until the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, cwd=CHECKOUT, start_new_session=True
        )
    try:
        yield process
    except BaseException:
        print(log.read_text()[-3000:], file=sys.stderr)
        raise
    finally:
        pause(process, False)
        process.terminate()
        process.wait()


def pause(process: Process, stopped: bool) -> None:
    """Stop all of a process's session, or let it go on."""
    os.killpg(process.pid, signal.SIGSTOP if stopped else signal.SIGCONT)


def progress_step() -> int:
    """The step that the training has come to."""
    return int(json.loads(get(TRAINER_PORT, "/status"))["step"])


def get(port: int, path: str) -> bytes:
    """What is served there; empty where nothing is yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return bytes(answer.read())
    except OSError:
        return b""


def wait_for(condition: Any) -> None:
    """Until it holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("bench: it takes too long")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
