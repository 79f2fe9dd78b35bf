"""The real thing: up, crash, up, down, and nothing left behind."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from localkube import cgroups
from localkube.build import Built
from localkube.harness import Machine
from localkube.inventory import inventory
from localkube.pause_image import PAUSE_IMAGE, write_archive
from localkube.shell import run, wait_for

pytestmark = pytest.mark.cluster

WARM_SECONDS = 20
POD = "/api/v1/namespaces/default/pods/worker"
CLAIM = "/api/v1/namespaces/default/persistentvolumeclaims/disk"
LOST_RECORDS = ("etcd", "kube-apiserver", "node1-kubelet", "node2-keeper")


def claim() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "disk"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "16Mi"}},
            "storageClassName": "small",
        },
    }


def pod(image: str) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": image,
        "resources": {"limits": {"nvidia.com/gpu": "1"}},
        "volumeMounts": [{"name": "disk", "mountPath": "/disk"}],
    }
    volume = {"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "worker"},
        "spec": {"containers": [container], "volumes": [volume]},
    }


def container_status(machine: Machine) -> dict[str, Any]:
    found = machine.api.get(POD)["status"].get("containerStatuses") or [{}]
    status: dict[str, Any] = found[0]
    return status


def wait_running(machine: Machine, restarts: int) -> None:
    """The pod runs and was restarted at least so often."""

    def runs() -> bool:
        status = container_status(machine)
        return "running" in status.get("state", {}) and status["restartCount"] >= restarts

    assert wait_for(runs, 40), machine.api.get(POD)["status"]


def listening_addresses(pids: set[int]) -> set[str]:
    """Addresses of the host on which these processes listen."""
    found = set()
    for line in run("ss", "-Hltunp").splitlines():
        if any(f"pid={pid}," in line for pid in pids):
            found.add(line.split()[4].rpartition(":")[0].partition("%")[0])
    return found


def control_plane_pids(machine: Machine) -> dict[str, int]:
    records = (machine.instance.run / "daemons").glob("*.json")
    return {path.stem: json.loads(path.read_text())["pid"] for path in records}


def test_up_twice_crash_up_down_leaves_nothing(machine: Machine, tmp_path: Path) -> None:
    before = inventory(machine.instance)

    assert machine.up() <= WARM_SECONDS
    servers = control_plane_pids(machine)
    assert machine.up() <= 5
    assert control_plane_pids(machine) == servers

    listening = listening_addresses(cgroups.members(machine.instance.name))
    assert listening == {machine.instance.host_ip, machine.instance.loopback_ip}

    image = load_image(machine, tmp_path, servers)
    machine.api.apply(CLAIM, claim())
    machine.api.apply(POD, pod(image))
    wait_running(machine, restarts=0)
    assert container_status(machine)["imageID"] == image

    crash_everything(machine)
    machine.up()
    wait_running(machine, restarts=1)

    crash_servers_only(machine)
    machine.up()
    wait_running(machine, restarts=1)

    leave_debris(machine, tmp_path)
    machine.localkube("down")
    assert inventory(machine.instance) == before


def load_image(machine: Machine, folder: Path, servers: dict[str, int]) -> str:
    """Load an image of our own; returns its name by digest."""
    built = Built(Path(f"/proc/{servers['etcd']}/exe").readlink().parent)
    archive = folder / "image.tar"
    write_archive(built.pause, archive, "localhost/lifecycle:test")
    output = machine.localkube("images", "load", archive)
    name, digest = output.strip().split(" is ")
    assert name == "localhost/lifecycle:test"
    assert name != PAUSE_IMAGE
    return f"localhost/lifecycle@{digest}"


def crash_everything(machine: Machine) -> None:
    """kill -9 of every process at once, containers included."""
    assert cgroups.kill(machine.instance.name)


def crash_servers_only(machine: Machine) -> None:
    """kill -9 of the servers: containers, namespaces and mounts stay; some records are lost."""
    for name, pid in control_plane_pids(machine).items():
        if not name.endswith("-keeper"):
            os.kill(pid, signal.SIGKILL)
    for name in LOST_RECORDS:
        (machine.instance.run / "daemons" / f"{name}.json").unlink()


def leave_debris(machine: Machine, folder: Path) -> None:
    """What a crash in the middle of an `up`, or an older version, may leave."""
    mount_point = machine.instance.state / "nodes" / "node1" / "debris"
    mount_point.mkdir()
    run("mount", "-t", "tmpfs", "tmpfs", mount_point)
    (machine.instance.run / "daemons" / "kube-apiserver.json").unlink()


def test_up_after_an_interrupted_up(machine: Machine) -> None:
    machine.localkube("down")
    half = machine.start("up", "--nodes", "2")
    record = machine.instance.run / "daemons" / "kube-apiserver.json"
    assert wait_for(record.exists, 60, interval=0.005)
    half.kill()
    half.wait()
    machine.up()
    nodes = machine.api.get("/api/v1/nodes")["items"]
    assert sorted(node["metadata"]["name"] for node in nodes) == ["node1", "node2"]


def test_killed_node_and_cut_node_come_back(machine: Machine) -> None:
    machine.up()
    machine.localkube("net", "cut", "node2")
    machine.localkube("node", "kill", "node1")
    assert "node1                     off" in machine.localkube("status")
    assert "node2                     network cut" in machine.localkube("status")
    assert not reaches(machine, 1)
    machine.localkube("node", "revive", "node1")
    machine.localkube("net", "mend", "node2")
    assert wait_for(lambda: reaches(machine, 1) and reaches(machine, 2), 30)


def test_up_brings_back_what_faults_took_away(machine: Machine) -> None:
    machine.up()
    for fault in (("net", "cut", "node2"), ("kubelet", "stop", "node1"), ("dns", "stop")):
        machine.localkube(*fault)
    machine.localkube("apiserver", "stop")
    assert not machine.api.is_ready()
    machine.up()
    assert reaches(machine, 1)
    assert reaches(machine, 2)
    assert "stopped" not in machine.localkube("status")


def reaches(machine: Machine, number: int) -> bool:
    """Whether the node's kubelet can be connected to."""
    url = f"https://{machine.instance.node(number).ip}:10250/healthz"
    command = ["curl", "--insecure", "--silent", "--max-time", "2", url]
    return subprocess.run(command, capture_output=True).returncode == 0
