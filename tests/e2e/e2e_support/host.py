"""What only the machine of the local cluster can do: end a pod's processes, look at its disks."""

import hashlib
import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from e2e_support.kube import LOCALKUBE, Job, Namespace
from localkube import cgroups
from localkube.config import Instance
from nerf_contract import names


def localkube(*args: str) -> None:
    """A verb of the local cluster, such as `net cut NODE`."""
    subprocess.run([LOCALKUBE, *args], check=True, stdout=subprocess.DEVNULL)


def kill(namespace: Namespace, *pods: str) -> None:
    """SIGKILL to all processes of these pods, the first ones too: their containers crash."""
    wanted = {f"{names.ENV_POD_NAME}={pod}".encode() for pod in pods}
    found = [pid for pid in cgroups.members(Instance.from_environment().name) if _is(pid, wanted)]
    assert found, f"no processes of {pods} in {namespace.name}"
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _is(pid: int, wanted: set[bytes]) -> bool:
    with suppress(OSError):
        return bool(wanted & set(Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")))
    return False


def results(job: Job) -> Path | None:
    """The job's folder on its checkpoint volume, on this machine's disk; None without a volume."""
    found = job.namespace.get("nerfjob", job.name) or {}
    given = found.get("spec", {}).get("checkpoint", {}).get("volume", {}).get("claimName")
    claim = job.namespace.get("pvc", given or f"{job.name}-checkpoint") or {"spec": {}}
    volume = claim["spec"].get("volumeName")
    return Instance.from_environment().volumes / volume / job.name if volume else None


def checkpoints(job: Job) -> list[int]:
    """Steps of the checkpoints on the job's volume whose states have the SHA-256 they claim."""
    folder = results(job)
    manifests = (folder / names.CHECKPOINTS_DIR).glob("step-*/manifest.json") if folder else ()
    found = []
    for manifest in manifests:
        with suppress(FileNotFoundError):  # An old one was just removed.
            told = json.loads(manifest.read_text())
            state = (manifest.parent / told["file"]).read_bytes()
            if hashlib.sha256(state).hexdigest() == told["sha256"]:
                found.append(int(told["step"]))
    return sorted(found)
