"""Quality and speed of the trainer, in the trainer's image, on this machine.

    make bench-trainer SCENE=path      a Blender-format scene; without SCENE the demo scene

Two separate trainings of 60 and 180 s as shipped, each with a schedule of its own. The clock runs
from the first optimizer step, and stands still only during evaluation. Every tenth photo is held
out where the scene has no split. Then the rays per second of `mlp`, and of `hashgrid` with as many
samples a ray. The last line of the output is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import machine

CHECKOUT = Path(__file__).resolve().parents[1]
IN_TRAINER = CHECKOUT / "tools" / "images" / "in-trainer"
#: Seconds of the two trainings.
BUDGETS = (60, 180)
#: Steps of the training that finds out how long a step takes, and fills the compile cache.
CALIBRATION_STEPS = 300
#: Part of the budget that is planned for: a training that ran longer would not count.
AIM = 0.9
SAMPLES = 512
Document = dict[str, Any]


def main() -> int:
    """Run all parts, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scene", type=Path, help="folder in Blender's format")
    parser.add_argument("--size", type=int, default=200, help="pixels along an edge; default 200")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        work.chmod(0o777)
        scene = arguments.scene or render_demo_scene(work / "demo")
        bench = Bench(scene, work, downscale=scale_to(scene, arguments.size))
        print(json.dumps(bench.measure()))
    return 0


class Bench:
    """Trainings of one scene. downscale: factor by which its photos are shrunk."""

    def __init__(self, scene: Path, work: Path, downscale: int) -> None:
        self.scene = scene.resolve()
        self.work = work
        self.downscale = downscale
        self.processes = min(8, os.cpu_count() or 1)

    def measure(self) -> Document:
        """All figures."""
        step_seconds = seconds_a_step(self.train("calibration", CALIBRATION_STEPS))
        runs = {}
        for budget in BUDGETS:
            runs[budget] = self.train_for(budget, step_seconds)
        last = runs[BUDGETS[-1]]
        # Speed does not depend on the size of the photos, but judging them by `mlp` does.
        small = {"downscale": min(64, 25 * self.downscale), "holdoutEvery": 100}
        slow = self.train(
            "mlp", 12, {"samplesPerRay": SAMPLES, "raysPerBatch": 64}, {"type": "mlp"}, small
        )
        fast = self.train("hashgrid", CALIBRATION_STEPS, {"samplesPerRay": SAMPLES})
        return {
            **{f"psnr_{budget}s": round(run["psnr"], 2) for budget, run in runs.items()},
            **{f"ssim_{budget}s": round(run["ssim"], 4) for budget, run in runs.items()},
            **{f"seconds_{b}s": round(run["trainingSeconds"], 1) for b, run in runs.items()},
            "rays_per_second": round(last["raysPerSecond"]),
            "samples_per_second": round(last["samplesPerSecond"]),
            "first_step_s": round(runs[BUDGETS[0]]["firstStepSeconds"], 1),
            "peak_rss_mb": round(last["peakRssBytes"] / 2**20),
            "mlp_rays_per_second": round(slow["raysPerSecond"]),
            "hashgrid_rays_per_second_at_512_samples": round(fast["raysPerSecond"]),
            "hashgrid_vs_mlp": round(fast["raysPerSecond"] / slow["raysPerSecond"], 1),
            "steps_180s": last["step"],
            "processes": self.processes,
            "scene": self.scene.name,
            "machine": machine(),
            "date": time.strftime("%Y-%m-%d"),
        }

    def train_for(self, budget: int, step_seconds: float) -> Document:
        """The training of so many seconds; planned anew where it took longer."""
        steps = int(AIM * budget / step_seconds)
        while True:
            figures = self.train(f"{budget} s", steps)
            if figures["trainingSeconds"] <= budget:
                return figures
            steps = int(AIM * budget / seconds_a_step(figures))
            print(f"took longer than {budget} s: again, with {steps} steps", flush=True)

    def train(self, name: str, steps: int, *sections: Document) -> Document:
        """One training. sections: changes of `training`, `model` and `dataset`."""
        training, model, dataset = [*sections, {}, {}, {}][:3]
        config = {
            "dataset": {"downscale": self.downscale, "holdoutEvery": 10, **dataset},
            "model": model,
            "training": {"steps": steps, "evalEvery": steps, "threads": 1, **training},
        }
        output = self.work / name.replace(" ", "-")
        output.mkdir(exist_ok=True)
        output.chmod(0o777)
        (output / "config.json").write_text(json.dumps(config))
        figures = run_trainer(self.scene, output, self.processes)
        print(
            f"{name}: {steps} steps in {figures['trainingSeconds']:.1f} s, "
            f"{figures['psnr']:.2f} dB, {figures['raysPerSecond']:,.0f} rays/s, first step after "
            f"{figures['firstStepSeconds']:.1f} s",
            flush=True,
        )
        return figures


def run_trainer(scene: Path, output: Path, processes: int) -> Document:
    """Train as `output/config.json` says; what metrics.json tells."""
    for earlier in ("checkpoints", "metrics.json"):
        subprocess.run(["rm", "-rf", str(output / earlier)], check=True)
    command = [
        *(str(IN_TRAINER), "-v", f"{scene}:/data:ro", "-v", f"{output}:/workspace"),
        *("-e", "NERF_DATASET_ROOT=/data", "-e", "NERF_OUTPUT_ROOT=/workspace", "--"),
        *("torchrun", f"--nproc-per-node={processes}", "--rdzv-backend=nerf"),
        *("--rdzv-endpoint=127.0.0.1:29400", "-m", "nerf_trainer.train"),
        *("--config", "/workspace/config.json"),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout[-5000:]}\nbench: the training failed")
    figures: Document = json.loads((output / "metrics.json").read_text())
    return figures


def render_demo_scene(folder: Path) -> Path:
    """The scene of `make demo`."""
    folder.mkdir()
    folder.chmod(0o777)
    print("rendering the demo scene", flush=True)
    command = ["python3", "-m", "nerf_trainer.scenes.demo", "--out", "/out"]
    subprocess.run([str(IN_TRAINER), "-v", f"{folder}:/out", "--", *command], check=True)
    return folder


def scale_to(scene: Path, size: int) -> int:
    """The factor that shrinks the scene's photos to about `size` pixels."""
    photo = next(p for p in sorted(scene.rglob("*")) if p.suffix.lower() in (".png", ".jpg"))
    ask = "from PIL import Image; print(Image.open('/photo').width)"
    command = [str(IN_TRAINER), "-v", f"{photo.resolve()}:/photo:ro", "--", "python3", "-c", ask]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return max(1, round(int(told.stdout) / size))


def seconds_a_step(figures: Document) -> float:
    """Mean wall time of a step."""
    return float(figures["trainingSeconds"]) / int(figures["step"])


if __name__ == "__main__":
    sys.exit(main())
