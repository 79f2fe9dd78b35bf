"""`kubectl nerf --version`."""

from importlib import metadata

from nerf_cli import operator_image
from nerf_cli.cluster import connect
from nerf_cli.errors import EXPLAINED, sentence

DISTRIBUTION = "nerf-operator"


def client() -> str:
    """Version of this program."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "unknown (it runs from a checkout that was not installed)"


def operator() -> str:
    """Image of the operator on the cluster that kubectl uses, or why it is not known."""
    try:
        installed = operator_image.find(connect(None, None, None))
    except EXPLAINED as error:
        return f"unknown: {sentence(error)}"
    return installed.operator if installed else "not found, or not yours to look for"
