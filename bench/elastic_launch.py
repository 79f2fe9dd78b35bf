"""How the processes of a job are started: their commands and environments."""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from elastic_notes import ENV_GATE, ENV_NOTES
from elastic_processes import HOST, free_port

from nerf_contract import names

MOST_PODS: Final = 4
HERE: Final = Path(__file__).parent
COORDINATOR: Final = (sys.executable, "-m", "nerf_trainer.coordinator")
#: As the operator has it.
OPTIONS: Final = (
    f"--nnodes=1:{MOST_PODS}",
    "--nproc-per-node=1",
    "--max-restarts=10",
    "--rdzv-id=bench",
)
#: By default 30 s are waited for others once there are enough, and 600 s for enough.
STOCK_SETTINGS: Final = "--rdzv-conf=last_call_timeout=1,join_timeout=60"


class Launch:
    """A job of its own: its folder, its port, and its memory.

    folder: made, for what the processes leave. stock: by PyTorch's own rendezvous and DDP.
    gated: pods wait for their gate, a file, before they join.
    """

    def __init__(
        self,
        folder: Path,
        scene: Path,
        config: dict[str, Any],
        min_pods: int = 1,
        stock: bool = False,
        gated: bool = False,
    ) -> None:
        self.folder, self.stock = folder, stock
        self.output, self.notes = folder / "output", folder / "notes"
        self._scene, self._min_pods, self._gated = scene, min_pods, gated
        for part in (folder, self.output, self.notes):
            part.mkdir()
        self._config = folder / "config.json"
        self._config.write_text(json.dumps(config))
        self.memory = Path(tempfile.mkdtemp(prefix="bench-", dir=names.SHARED_MEMORY))
        self._port = free_port()

    def command(self) -> tuple[str, ...]:
        """argv of a pod's agent."""
        torchrun: tuple[str, ...]
        rendezvous: tuple[str, ...]
        script: tuple[str, ...]
        if self.stock:
            torchrun = (str(HERE / "elastic_torchrun.py"),)
            rendezvous = ("--rdzv-backend=c10d", STOCK_SETTINGS)
            script = (str(HERE / "elastic_stock.py"), "--state", str(self.memory / "state"))
        else:
            torchrun = ("-m", "torch.distributed.run", "--run-path", "--start-method=fork")
            rendezvous = (f"--rdzv-backend={names.RENDEZVOUS_BACKEND}",)
            script = (str(HERE / "elastic_worker.py"),)
        endpoint = f"--rdzv-endpoint={HOST}:{self._port}"
        options = (*OPTIONS, *rendezvous, endpoint)
        return (sys.executable, *torchrun, *options, *script, "--config", str(self._config))

    def group_env(self) -> dict[str, str]:
        """What pods and coordinator have in common. Without a pod's address all is on loopback."""
        return {
            names.ENV_COORDINATOR: f"{HOST}:{self._port}",
            names.ENV_MIN_WORKERS: str(self._min_pods),
            "OMP_NUM_THREADS": "1",
        }

    def pod_env(self, index: int, attempt: int) -> dict[str, str]:
        """Of a pod's agent and its process."""
        memory = self.pod_memory(index, attempt)
        memory.mkdir()
        return self.group_env() | {
            names.ENV_POD_NAME: f"bench-worker-{index}-{attempt}",
            names.ENV_WORKER_INDEX: str(index),
            names.ENV_CHECKPOINT_WRITER: "1" if index == 0 else "",
            names.ENV_DATASET_ROOT: str(self._scene),
            names.ENV_OUTPUT_ROOT: str(self.output),
            names.ENV_SNAPSHOTS: str(memory),
            names.ENV_TERMINATION_LOG: str(memory / "last-word"),
            "PYTHONPATH": f"{HERE}:{os.environ.get('PYTHONPATH', '')}",
            ENV_NOTES: str(self.notes),
            ENV_GATE: str(self.gate(index)) if self._gated else "",
        }

    def pod_memory(self, index: int, attempt: int) -> Path:
        """What dies with the pod."""
        return self.memory / f"pod-{index}-{attempt}"

    def gate(self, index: int) -> Path:
        """The file that a gated pod waits for."""
        return self.folder / f"gate-{index}"
