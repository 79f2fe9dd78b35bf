"""Kernel settings that the cluster changes on the host, kept to be restored."""

import json
from pathlib import Path

from localkube.config import RUN_ROOT

SAVED = RUN_ROOT / "sysctls.json"
FORWARDING = "net/ipv4/ip_forward"
# The kubelet sets all but the first of these when it starts.
CHANGED = (
    FORWARDING,
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)


def save_and_set() -> None:
    """Remember the host's values once, then turn forwarding on."""
    if not SAVED.exists():
        SAVED.parent.mkdir(parents=True, exist_ok=True)
        SAVED.write_text(json.dumps(current()))
    _path(FORWARDING).write_text("1")


def restore() -> None:
    """Put back what `save_and_set` found."""
    if not SAVED.exists():
        return
    for name, value in json.loads(SAVED.read_text()).items():
        if current()[name] != value:
            _path(name).write_text(value)
    SAVED.unlink()


def current() -> dict[str, str]:
    """The present values."""
    return {name: _path(name).read_text().strip() for name in CHANGED}


def _path(name: str) -> Path:
    return Path("/proc/sys") / name
