"""What torchrun makes of our rendezvous, with real agents."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from elastic_processes import HOST, children, free_port
from pods import wait_until

from nerf_contract import reasons

pytestmark = pytest.mark.torch

FAILING = """
import json, os, sys
folder, reason, code = sys.argv[1:]
with open(os.environ["NERF_TERMINATION_LOG"]) as log, open(folder + "/words", "a") as words:
    words.write(log.read() + "\\n")
with open(folder + "/starts", "a") as starts:
    starts.write(os.environ["NERF_ROUND"] + "\\n")
with open(os.environ["NERF_TERMINATION_LOG"], "w") as log:
    json.dump({"reason": reason, "message": "as told"}, log)
sys.exit(int(code))
"""

NOTING = """
import os, sys
folder = os.environ["NERF_SNAPSHOTS"]
with open(sys.argv[1] + "/seen", "a") as seen:
    print(folder, *os.listdir(folder), file=seen)
open(folder + "/left", "w").close()
sys.exit(1)
"""

WAITING = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: (open(sys.argv[1] + "/told", "w").close(), sys.exit(0)))
open(sys.argv[1] + "/ready", "w").close()
signal.pause()
"""


def agent(folder: Path, script: str, *args: str, restarts: int = 2) -> subprocess.Popen[bytes]:
    program = folder / "program.py"
    program.write_text(script)
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nnodes=1:2", "--nproc-per-node=1"),
        *(f"--max-restarts={restarts}", "--rdzv-backend=nerf", "--rdzv-id=test"),
        *(f"--rdzv-endpoint={HOST}:{free_port()}", str(program), str(folder), *args),
    ]
    env = os.environ | {"NERF_POD_IP": HOST, "NERF_TERMINATION_LOG": str(folder / "log")}
    with (folder / "agent.log").open("wb") as log:
        return subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)


@pytest.mark.parametrize("reason", [reasons.CUDA_UNAVAILABLE, reasons.GROUP_REFUSED])
def test_a_failure_that_stays_is_not_tried_again(tmp_path: Path, reason: str) -> None:
    code = reasons.FAILURES[reason].exit_code
    assert agent(tmp_path, FAILING, reason, str(code)).wait(30) != 0
    assert len((tmp_path / "starts").read_text().splitlines()) == 1
    assert json.loads((tmp_path / "log").read_text())["reason"] == reason
    assert f"not starting again after {reason}" in (tmp_path / "agent.log").read_text()


def test_a_crash_is_tried_again_as_a_newer_incarnation(tmp_path: Path) -> None:
    assert agent(tmp_path, FAILING, reasons.CRASHED, "1", restarts=1).wait(30) != 0
    assert (tmp_path / "words").read_text() == "\n\n", "the last word of the round before"
    rounds = [int(line) for line in (tmp_path / "starts").read_text().splitlines()]
    assert len(rounds) == 2
    assert rounds[0] < rounds[1]


def test_restarted_processes_find_what_was_left_in_memory_and_the_agent_removes_it(
    tmp_path: Path,
) -> None:
    assert agent(tmp_path, NOTING, restarts=1).wait(30) != 0
    first, second = (line.split() for line in (tmp_path / "seen").read_text().splitlines())
    assert second == [*first, "left"]
    assert first[0].startswith("/dev/shm/")
    assert not Path(first[0]).exists()
    assert "Traceback" in (tmp_path / "agent.log").read_text(), "of a crash, as torchrun has it"


def test_sigterm_reaches_the_processes(tmp_path: Path) -> None:
    running = agent(tmp_path, WAITING)
    wait_until((tmp_path / "ready").exists, "the process runs")
    processes = children(running.pid)
    running.send_signal(signal.SIGTERM)
    assert running.wait(20) == 1
    assert (tmp_path / "told").exists()
    log = (tmp_path / "agent.log").read_text()
    assert "got signal: 15" in log.splitlines()[-1], log
    assert "Traceback" not in log, log
    assert not any(Path(f"/proc/{pid}").exists() for pid in processes)
