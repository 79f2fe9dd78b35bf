"""Where photos are, and where results go."""

import os
from pathlib import Path

from nerf_contract import names


def dataset_root() -> Path:
    """The folder that `dataset.path` is relative to: NERF_DATASET_ROOT, or where we are."""
    return Path(os.environ.get(names.ENV_DATASET_ROOT, ".")).resolve()


def output_folder() -> Path:
    """The job's folder in NERF_OUTPUT_ROOT, or ./output."""
    root = Path(os.environ.get(names.ENV_OUTPUT_ROOT, "output")).resolve()
    return root / os.environ.get(names.ENV_JOB_NAME, "")
