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


def snapshot_folder() -> Path | None:
    """This job's and pod's folder in NERF_SNAPSHOTS, which the agent sets; None without one."""
    root = os.environ.get(names.ENV_SNAPSHOTS)
    if not root:
        return None
    job, pod = (os.environ.get(name, "") for name in (names.ENV_JOB_NAME, names.ENV_POD_NAME))
    return Path(root) / job / pod
