"""Folders that the node's programs fix in their code, private to each node.

Each node's mount namespace hides the host's folder behind one of the node's own.
"""

import json
from pathlib import Path

from localkube.config import RUN_ROOT, NodeConfig

MADE = RUN_ROOT / "made-folders.json"
DISK = {"kubelet": Path("/var/lib/kubelet"), "cni-cache": Path("/var/lib/cni")}
LOGS = {"log": Path("/var/log")}
MEMORY = Path("/run/containerd")


def make_targets() -> None:
    """Create the host's folders to mount over, and remember which were not there."""
    made = set(json.loads(MADE.read_text())) if MADE.exists() else set()
    for target in (*DISK.values(), MEMORY):
        if not target.exists():
            target.mkdir(parents=True)
            made.add(str(target))
    MADE.parent.mkdir(parents=True, exist_ok=True)
    MADE.write_text(json.dumps(sorted(made)))


def remove_targets() -> None:
    """Remove the folders that `make_targets` created, unless someone else uses them now."""
    if not MADE.exists():
        return
    for name in json.loads(MADE.read_text()):
        target = Path(name)
        if target.exists() and not any(target.iterdir()):
            target.rmdir()
    MADE.unlink()


def mount_commands(node: NodeConfig) -> str:
    """Shell commands that mount the node's folders inside its mount namespace."""
    lines = []
    for name, target in {**DISK, **LOGS}.items():
        source = node.state / name
        source.mkdir(parents=True, exist_ok=True)
        lines.append(f"mount --bind {source} {target}")
    lines.append(f"mount -t tmpfs -o mode=711 tmpfs {MEMORY}")
    return "\n".join(lines)
