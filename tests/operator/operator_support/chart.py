"""The Helm chart, rendered."""

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
HELM = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nerf-operator/bin/helm"
Object = dict[str, Any]


def render(*values: str) -> list[Object]:
    """The chart's objects with these values."""
    sets = [part for value in values for part in ("--set", value)]
    chart = str(ROOT / "charts" / "nerf-operator")
    fixed = ["template", "nerf", chart, "--namespace", "nerf-system", "--kube-version", "1.30.0"]
    done = subprocess.run([HELM, *fixed, *sets], check=True, text=True, capture_output=True)
    return [obj for obj in yaml.safe_load_all(done.stdout) if obj]
