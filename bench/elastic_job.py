"""A job's worker pods and its coordinator as processes of this machine, on loopback."""

import os
import shutil
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from elastic_launch import COORDINATOR, Launch
from elastic_notes import READY, Notes
from elastic_processes import children, kill, kill_tree

#: From the death of a pod, or of the coordinator, to the start of the next one.
REPLACED_AFTER: Final = 0.5


class BenchError(Exception):
    """What was measured did not happen; the message holds the logs."""


class Job:
    """A training whose pods come and go.

    limit: seconds that it may take in all. notes: of all steps so far, in the order of time.
    """

    def __init__(self, launch: Launch, limit: float = 900.0) -> None:
        self._launch = launch
        self._end = time.monotonic() + limit
        self.output = launch.output
        self.notes = Notes(launch.notes).all
        self.agents: dict[int, subprocess.Popen[bytes]] = {}
        self.coordinator: subprocess.Popen[bytes] | None = None
        self._leaving: list[subprocess.Popen[bytes]] = []
        self._attempts: dict[int, int] = defaultdict(int)
        self._due: dict[int | None, float] = {}

    def __enter__(self) -> "Job":
        if not self._launch.stock:
            self._start_coordinator()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind."""
        for process in (*self.agents.values(), *self._leaving, self.coordinator):
            if process:
                kill_tree(process)
        shutil.rmtree(self._launch.memory, ignore_errors=True)

    # --- What a test bench does to it ---

    def start_pod(self, index: int) -> None:
        """Start worker pod `index`, or its replacement."""
        self._attempts[index] += 1
        self._due.pop(index, None)
        env = self._launch.pod_env(index, self._attempts[index])
        self.agents[index] = self._start(f"pod-{index}", self._launch.command(), env)

    def open_gate(self, index: int) -> None:
        """Let a gated pod join."""
        self._launch.gate(index).touch()

    def ready(self, index: int) -> bool:
        """Whether a gated pod waits for its gate to open."""
        return Path(f"{self._launch.gate(index)}{READY}").exists()

    def kill_pod(self, index: int) -> None:
        """SIGKILL to all in the pod, as its container's death does; another takes its place."""
        self._end_pod(index)
        self._due[index] = time.monotonic() + REPLACED_AFTER

    def kill_process(self, index: int) -> bool:
        """SIGKILL to the pod's worker process alone; its agent starts another. Whether it lived."""
        found = children(self.agents[index].pid) if index in self.agents else []
        for pid in found:
            kill(pid)
        return bool(found)

    def kill_coordinator(self) -> None:
        """SIGKILL; another takes its place."""
        assert self.coordinator is not None
        kill_tree(self.coordinator)
        self.coordinator = None
        self._due[None] = time.monotonic() + REPLACED_AFTER

    def terminate_pod(self, index: int) -> None:
        """SIGTERM to the agent, as the kubelet sends it; the pod has no successor."""
        agent = self.agents.pop(index)
        self._leaving.append(agent)
        agent.send_signal(signal.SIGTERM)

    # --- What is seen of it ---

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = 120.0) -> None:
        """Until the condition holds. Dead pods are replaced meanwhile. Raises BenchError."""
        deadline = min(time.monotonic() + seconds, self._end)
        while not condition():
            if time.monotonic() > deadline:
                raise BenchError(f"not in time: {what}\n{self.logs()}")
            self._replace()
            time.sleep(0.05)

    def wait_for_world(self, world: int, steps: int, seconds: float = 120.0) -> None:
        """Until a group of this size has done so many steps."""
        self.wait(
            lambda: self.done() or self._steps_in_world(world) >= steps,
            f"{steps} steps of {world} pods",
            seconds,
        )
        if self.done():
            raise BenchError("the training ended before its changes did: it needs more steps")

    def _steps_in_world(self, world: int) -> int:
        """Steps that the newest group has done, if it has this size."""
        notes = self.notes()
        if not notes or notes[-1].world != world:
            return 0
        return len({n.step for n in notes if n.generation == notes[-1].generation})

    def step(self) -> int:
        """The last step that was done; 0 before the first."""
        return max((note.step for note in self.notes()), default=0)

    def done(self) -> bool:
        """Whether the writer's pod has ended well."""
        return 0 in self.agents and self.agents[0].poll() == 0

    def logs(self, lines: int = 40) -> str:
        """The end of each log."""
        return "\n".join(
            f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
            for path in sorted(self._launch.folder.glob("*.log"))
        )

    # --- Processes ---

    def _replace(self) -> None:
        """Start what is due. A pod that has ended badly by itself is due at once."""
        for index, agent in list(self.agents.items()):
            if agent.poll():
                self.kill_pod(index)
        for who, moment in list(self._due.items()):
            if time.monotonic() < moment:
                continue
            if who is None:
                self._start_coordinator()
            else:
                self.start_pod(who)

    def _end_pod(self, index: int) -> None:
        kill_tree(self.agents.pop(index))
        shutil.rmtree(self._launch.pod_memory(index, self._attempts[index]), ignore_errors=True)

    def _start_coordinator(self) -> None:
        self._due.pop(None, None)
        self.coordinator = self._start("coordinator", COORDINATOR, self._launch.group_env())

    def _start(
        self, name: str, command: tuple[str, ...], env: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        with (self._launch.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command,
                env=os.environ | env,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
