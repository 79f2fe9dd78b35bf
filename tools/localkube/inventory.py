"""What a cluster could leave on a machine, as sets of lines that can be compared."""

import re
from pathlib import Path

from localkube import cgroups, network, sysctls
from localkube.config import Instance
from localkube.private_paths import DISK, MEMORY
from localkube.shell import run

OTHERS_INTERFACE = re.compile(r"\blk\d?(br0|n\d+)\b")


def inventory(instance: Instance) -> dict[str, set[str]]:
    """Everything that `down` has to remove, without what other instances own."""
    return {
        "processes": processes(instance),
        "mounts": mounts(instance),
        "interfaces": own(instance, network.link_names()),
        "routes": own(instance, set(run("ip", "route", "show", "table", "all").splitlines())),
        "rules": own(instance, rules()),
        "cgroups": groups(instance),
        "loop devices": {line for line in lines("losetup", "--all") if str(instance.state) in line},
        "kernel settings": {f"{name}={value}" for name, value in sysctls.current().items()},
        "folders": folders(instance),
    }


def processes(instance: Instance) -> set[str]:
    """Processes in the instance's cgroups, or with its folders among their arguments."""
    found = {str(pid) for pid in cgroups.members(instance.name)}
    marks = (f"{instance.state}/".encode(), f"{instance.run}/".encode())
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if any(mark in path.read_bytes() for mark in marks):
                found.add(path.parent.name)
        except OSError:  # it ended while we looked
            continue
    return found


def mounts(instance: Instance) -> set[str]:
    """Mounts below the instance's folders, and namespaces kept by a mount."""
    text = Path("/proc/self/mountinfo").read_text()
    ours = ("/localkube/", f"/{instance.name}/", " nsfs ")
    return {line for line in text.splitlines() if any(mark in line for mark in ours)}


def rules() -> set[str]:
    """Rules and chains of all tables, without the built-in chains."""
    found = set()
    for line in lines("iptables-save"):
        if line.startswith("-A") or re.match(r":\S+ -", line):
            found.add(re.sub(r" \[\d+:\d+\]", "", line))
    return found


def groups(instance: Instance) -> set[str]:
    """The instance's folders in all cgroup hierarchies."""
    paths = [root / cgroups.base(instance.name) for root in cgroups.hierarchies()]
    return {str(path) for path in paths if path.exists()}


def folders(instance: Instance) -> set[str]:
    """The instance's folders, and those that nodes hide behind their own."""
    paths = [instance.state, instance.run]
    if not any(path.name != instance.name for path in instance.state.parent.glob("lk*")):
        paths += [*DISK.values(), MEMORY, instance.run.parent]
    return {str(path) for path in paths if path.exists()}


def own(instance: Instance, found: set[str]) -> set[str]:
    """Drop the lines that name an interface of another instance."""
    mine = {instance.bridge} | {instance.node(number).host_interface for number in range(1, 21)}
    return {
        line for line in found if all(match[0] in mine for match in OTHERS_INTERFACE.finditer(line))
    }


def lines(*command: str) -> list[str]:
    """A command's output by line."""
    return run(*command).splitlines()
