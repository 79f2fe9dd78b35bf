"""Who a process is, from its environment."""

import os
import subprocess
import sys
import time

from nerf_trainer.coordination.identity import begin_round, identity, incarnation
from nerf_trainer.coordination.messages import Incarnation, MemberId
from nerf_trainer.coordinator import bind_host


def test_identity_of_a_process_in_a_pod() -> None:
    env = {
        "NERF_POD_NAME": "my-job-2-worker-3-12",
        "NERF_WORKER_INDEX": "3",
        "NERF_ROUND": "77",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "2",
    }
    who = identity(env)
    assert (who.id, who.incarnation) == (MemberId(3, 1), Incarnation(12, 77))
    assert (who.local_world_size, who.writer) == (2, False)


def test_only_the_first_process_of_the_writing_pod_writes() -> None:
    env = {"NERF_CHECKPOINT_WRITER": "1", "LOCAL_WORLD_SIZE": "2"}
    assert [identity(env | {"LOCAL_RANK": rank}).writer for rank in "01"] == [True, False]


def test_a_later_attempt_beats_any_round_and_a_later_round_an_earlier() -> None:
    env = {"NERF_POD_NAME": "job-worker-0-1"}
    first = begin_round(env)
    assert first.round <= time.time_ns()
    second = begin_round(env)
    assert first < second < incarnation({"NERF_POD_NAME": "job-worker-0-2", "NERF_ROUND": "1"})


def test_where_the_coordinator_listens() -> None:
    inside = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    assert bind_host({}) == "127.0.0.1"
    assert bind_host(inside) == "0.0.0.0"
    assert bind_host(inside | {"NERF_POD_IP": "10.1.2.3"}) == "10.1.2.3"


def test_the_coordinator_needs_neither_torch_nor_numpy() -> None:
    program = "import sys, nerf_trainer.coordinator; print({'torch', 'numpy'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], env=pythonpath(), capture_output=True)
    assert found.stdout.decode().strip() == "set()", found.stderr.decode()


def pythonpath() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
