"""The cgroups of one instance: what its processes are found and ended by."""

import contextlib
import os
import signal
from pathlib import Path

from localkube.shell import run, succeeds, wait_for

CGROUP_ROOT = Path("/sys/fs/cgroup")
TRACKING_CONTROLLER = "pids"


def is_unified(root: Path = CGROUP_ROOT) -> bool:
    """Whether the machine uses cgroup v2 only."""
    return (root / "cgroup.controllers").exists()


def hierarchies(root: Path = CGROUP_ROOT) -> list[Path]:
    """Mount points of the hierarchies: one for v2, several for v1 and the hybrid layout."""
    if is_unified(root):
        return [root]
    mounts = (path.resolve() for path in root.iterdir())
    return sorted({path for path in mounts if (path / "cgroup.procs").exists()})


def base(instance: str) -> str:
    """Path of the instance's cgroup below each hierarchy.

    Under cgroup v2 systemd owns the tree, so the instance gets a delegated unit's part of it.
    """
    if is_unified() and _has_systemd():
        return f"system.slice/{_unit(instance)}"
    return f"localkube/{instance}"


def create(instance: str, path: str) -> None:
    """Create `path` below the instance's cgroup in every hierarchy."""
    if is_unified() and _has_systemd():
        _delegate(instance)
    for hierarchy in hierarchies():
        group = hierarchy
        for part in f"{base(instance)}/{path}".split("/"):
            _enable_controllers(group)
            group = group / part
            group.mkdir(exist_ok=True)
            _inherit_cpuset(group)


def tracking_group(instance: str, path: str) -> Path:
    """The folder whose `cgroup.procs` a daemon joins."""
    root = CGROUP_ROOT if is_unified() else CGROUP_ROOT / TRACKING_CONTROLLER
    return root / base(instance) / path


def members(instance: str, path: str = "") -> set[int]:
    """Ids of all processes below a cgroup of the instance, in any hierarchy."""
    found: set[int] = set()
    for hierarchy in hierarchies():
        for group in _subtree(hierarchy / base(instance) / path):
            found.update(_processes(group))
    return found


def kill(instance: str, path: str = "", seconds: float = 20) -> bool:
    """SIGKILL everything below a cgroup of the instance; False if something stays."""

    def ended() -> bool:
        remaining = members(instance, path)
        for pid in remaining:
            _signal(pid)
        return not remaining

    return wait_for(ended, seconds, interval=0.05)


def remove(instance: str, path: str = "") -> None:
    """Remove the cgroups, deepest first; they must be empty."""
    if not path and is_unified() and _has_systemd():
        run("systemctl", "stop", _unit(instance), check=False)
        run("systemctl", "reset-failed", _unit(instance), check=False)
    for hierarchy in hierarchies():
        for group in reversed(_subtree(hierarchy / base(instance) / path)):
            wait_for(lambda group=group: _rmdir(group), 5, 0.02)  # type: ignore[misc]
        if not path and base(instance).startswith("localkube/"):
            _rmdir(hierarchy / "localkube")


def _subtree(group: Path) -> list[Path]:
    return [Path(folder) for folder, _, _ in os.walk(group)]


def _processes(group: Path) -> list[int]:
    try:
        return [int(line) for line in (group / "cgroup.procs").read_text().split()]
    except OSError:  # the group vanished while we looked
        return []


def _signal(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _rmdir(group: Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _enable_controllers(group: Path) -> None:
    control = group / "cgroup.subtree_control"
    if not control.exists():
        return
    for controller in (group / "cgroup.controllers").read_text().split():
        try:
            control.write_text(f"+{controller}")
        except OSError:  # controllers that cannot be delegated stay with the parent
            continue


def _inherit_cpuset(group: Path) -> None:
    """A new cpuset of cgroup v1 is empty and would refuse every process."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        own, parent = group / name, group.parent / name
        if not is_unified() and own.exists() and not own.read_text().strip():
            own.write_text(parent.read_text())


def _has_systemd() -> bool:
    return Path("/run/systemd/system").exists()


def _unit(instance: str) -> str:
    return f"localkube-{instance}.service"


def _delegate(instance: str) -> None:
    """Have systemd give us a part of the tree, held by a sleeping process in a leaf of it."""
    if succeeds("systemctl", "is-active", "--quiet", _unit(instance)):
        return
    run("systemctl", "reset-failed", _unit(instance), check=False)
    run("systemd-run", f"--unit={_unit(instance)}", "--property=Delegate=yes", "sleep", "infinity")
    group = CGROUP_ROOT / base(instance)
    (group / "keeper").mkdir(exist_ok=True)
    for pid in _processes(group):
        (group / "keeper" / "cgroup.procs").write_text(str(pid))
