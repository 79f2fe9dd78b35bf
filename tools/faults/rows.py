"""The rows of the fault matrix, from rows.yaml."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import yaml


class Layer(StrEnum):
    """What is real in a test."""

    CLUSTER = "cluster"
    API = "API server"
    PROCESSES = "processes"


MEANINGS: Final = {
    Layer.CLUSTER: "Kubernetes with two nodes on one machine, the images and the chart",
    Layer.API: "a real API server and etcd, and the operator as a process; kubelets are played",
    Layer.PROCESSES: "the trainer in the file system of its image, without a cluster",
}
FOLDERS: Final = {
    Layer.CLUSTER: "tests/e2e",
    Layer.API: "tests/operator/api",
    Layer.PROCESSES: "tests/trainer",
}


@dataclass(frozen=True)
class Row:
    """A fault. how: it is brought about. tests: node ids of pytest; all have to pass."""

    id: str
    fault: str
    how: str
    holds: str
    layer: Layer
    tests: tuple[str, ...]


def _row(id: str, fault: str, how: str, holds: str, layer: str, tests: list[str]) -> Row:
    where = Layer(layer)
    return Row(id, fault, how, holds, where, tuple(f"{FOLDERS[where]}/{test}" for test in tests))


_READ: Final = yaml.safe_load(Path(__file__).with_name("rows.yaml").read_text())
#: By the headings of the page.
GROUPS: Final = {
    group: tuple(_row(id, **fields) for id, fields in rows.items()) for group, rows in _READ.items()
}
ROWS: Final = tuple(row for rows in GROUPS.values() for row in rows)
