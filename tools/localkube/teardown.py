"""Leaving the machine as it was before `up`, also after a crash."""

import shutil
from pathlib import Path

from localkube import cgroups, network, private_paths, sysctls
from localkube.config import RUN_ROOT, STATE_ROOT, Instance
from localkube.errors import ClusterError
from localkube.shell import run


def tear_down(instance: Instance) -> None:
    """End every process of the instance and remove what it made; images stay in the store."""
    if not cgroups.kill(instance.name):
        stubborn = sorted(cgroups.members(instance.name))
        raise ClusterError(f"these processes do not end, not even by SIGKILL: {stubborn}")
    _unmount_below(instance.state, instance.run)
    network.remove_host_network(instance)
    cgroups.remove(instance.name)
    for folder in (instance.state, instance.run):
        if folder.exists():
            shutil.rmtree(folder)
    if not _other_instances(instance):
        sysctls.restore()
        private_paths.remove_targets()
        shutil.rmtree(RUN_ROOT, ignore_errors=True)


def mounts_below(*folders: Path, mountinfo: str | None = None) -> list[str]:
    """Mount points below the folders, deepest first."""
    text = mountinfo if mountinfo is not None else Path("/proc/self/mountinfo").read_text()
    points = [line.split()[4] for line in text.splitlines()]
    prefixes = tuple(f"{folder}/" for folder in folders)
    return sorted((p for p in points if p.startswith(prefixes)), key=len, reverse=True)


def _unmount_below(*folders: Path) -> None:
    for point in mounts_below(*folders):
        run("umount", "--lazy", point)


def _other_instances(instance: Instance) -> list[Path]:
    others = STATE_ROOT.glob("lk*")
    return [path for path in others if path.is_dir() and path.name != instance.name]
