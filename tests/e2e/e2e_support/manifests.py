"""NeRFJobs of the end-to-end tests: small enough to train in seconds."""

import copy
import os
from typing import Any

import yaml

from demo.sample import text
from e2e_support.kube import Namespace, Object

PHOTOS = "photos"


def sample() -> list[Object]:
    """The objects of manifests/samples/nerfjob.yaml, as the demo applies them."""
    manifests = text(os.environ.get("REGISTRY", ""), os.environ.get("TORCH", "cpu"))
    return [doc for doc in yaml.safe_load_all(manifests) if doc]


def photos(storage_class: str, mode: str, name: str = PHOTOS) -> list[Object]:
    """The sample's volume and the Job that renders the demo scene to it, small."""
    claim, render, _ = copy.deepcopy(sample())
    claim["metadata"]["name"] = render["metadata"]["name"] = name
    claim["spec"] |= {"storageClassName": storage_class, "accessModes": [mode]}
    pod = render["spec"]["template"]["spec"]
    pod["containers"][0]["command"] += ["--photos", "24", "--width", "96"]
    pod["volumes"][0]["persistentVolumeClaim"]["claimName"] = name
    return [claim, render]


def render_photos(namespace: Namespace) -> None:
    """Have the photos on a volume of the namespace that all nodes can read (ReadWriteMany)."""
    namespace.apply(*photos("shared", "ReadWriteMany"))
    namespace.run("wait", "job/photos", "--for=condition=Complete", "--timeout=180s")


def nerf_job(name: str, claim: str = PHOTOS, path: str = "demo", **sections: Any) -> Object:
    """A tiny job: 2 workers, no compilation; keyword arguments update its sections."""
    spec: Object = {
        "dataset": {"claimName": claim, "path": path, "format": "nerfstudio"},
        "model": {"levels": 6, "log2TableSize": 13, "finestResolution": 96, "hiddenWidth": 16},
        "training": {
            **{"steps": 200, "raysPerBatch": 256, "shards": 4, "samplesPerRay": 32},
            **{"evalEvery": 100, "device": "cpu", "threads": 1, "compile": False},
        },
        "workers": {"replicas": 2, "resources": {"requests": {"cpu": "100m"}}},
        "checkpoint": {"intervalSeconds": 5, "volume": {"size": "256Mi"}},
    }
    for section, values in sections.items():
        known = spec.get(section)
        spec[section] = {**known, **values} if isinstance(known, dict) else values
    return {
        "apiVersion": "nerfops.dev/v1alpha1",
        "kind": "NeRFJob",
        "metadata": {"name": name},
        "spec": spec,
    }
