"""The sample, by the names that its images have where they are pulled from."""

from demo import shell

PATH = shell.ROOT / "manifests" / "samples" / "nerfjob.yaml"
TRAINER = "localhost/nerf-trainer:cpu"


def text(registry: str, torch: str) -> str:
    """The manifests; with a registry, the trainer image is the one pushed there for `torch`."""
    manifests = PATH.read_text()
    return manifests.replace(TRAINER, pushed(registry, torch)) if registry else manifests


def pushed(registry: str, torch: str) -> str:
    """What `make images-push` calls the trainer image, and `make install` gives to the operator."""
    return f"{registry.rstrip('/')}/nerf-trainer:{torch}"
