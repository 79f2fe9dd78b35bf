"""The Helm chart, rendered."""

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts" / "nerf-operator"
HELM = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nerf-operator/bin/helm"
Object = dict[str, Any]
#: The one in C, where there is one: the CRD is long.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ChartError(ValueError):
    """Helm does not render the chart with these values; its words are the message."""


def render(*values: str, chart: Path = CHART, minor: int = 30) -> list[Object]:
    """The objects of an installation with these values (`--set`), on Kubernetes 1.`minor`."""
    return template(*(f"--set={value}" for value in values), chart=chart, minor=minor)


@cache
def template(
    *flags: str, release: str = "nerf", chart: Path = CHART, minor: int = 30, tests: bool = False
) -> list[Object]:
    """What `helm template` renders with these flags, without the hooks of `helm test`, or these
    too. Raises ChartError."""
    fixed = ["template", release, str(chart), "--namespace=nerf-system"]
    fixed += [f"--kube-version=1.{minor}.0", *([] if tests else ["--skip-tests"])]
    done = subprocess.run([HELM, *fixed, *flags], text=True, capture_output=True)
    if done.returncode:
        raise ChartError(done.stderr)
    return [obj for obj in yaml.load_all(done.stdout, _LOADER) if obj]


def kinds(objects: list[Object], kind: str) -> list[Object]:
    """The objects of one kind."""
    return [obj for obj in objects if obj["kind"] == kind]
