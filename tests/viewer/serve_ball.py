"""Train the ball for a moment and serve it. Runs in the trainer image, in place of a job's pod.

python3 serve_ball.py FOLDER PORT
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "trainer"))

from scene_files import blender_scene
from viewer_scenes import CONFIG, leave_checkpoint

from nerf_trainer.viewer.__main__ import main


def serve(folder: Path, port: str) -> int:
    """Leave photos, a config and a checkpoint in `folder`, and look at them."""
    blender_scene(folder / "data")
    leave_checkpoint(folder)
    (folder / "config.json").write_text(CONFIG.model_dump_json(by_alias=True))
    os.environ |= {"NERF_DATASET_ROOT": str(folder / "data"), "NERF_OUTPUT_ROOT": str(folder)}
    sys.argv[1:] = ["--config", str(folder / "config.json"), "--port", port]
    return main()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2])
