"""Asks the workers of a job how far they are, ten times a second, whatever happens meanwhile.

Each worker is asked at its own address, so that the answers come while the API server is away, and
by a thread of its own, so that one that hangs does not keep the others from being heard.
"""

import json
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from http.client import HTTPException
from typing import Any

from kubernetes import client, config
from urllib3.exceptions import HTTPError

from e2e_support.kube import Job, KubectlError
from faults.story import Sample, Start
from nerf_contract import names

PAUSE_SECONDS = 0.1
#: From one look for new pods to the next.
LOOK_SECONDS = 0.5
ANSWER_SECONDS = 1.0


class Watch:
    """What the workers of one NeRFJob, of one process each, have told since it was entered.

    Of that very job: not those of one that had its name before.
    Moments are Unix time: the local cluster and its logs share the clock of this machine.
    """

    def __init__(self, job: Job) -> None:
        config.load_kube_config()
        self._api = client.CoreV1Api()
        self._job = job
        self._samples: list[Sample] = []
        self._starts: set[Start] = set()
        self._asked: dict[str, threading.Event] = {}
        self._over = threading.Event()
        self._uid = ""

    def __enter__(self) -> "Watch":
        found = self._job.namespace.get("nerfjob", self._job.name)
        assert found is not None, f"there is no job {self._job.name}"
        self._uid = found["metadata"]["uid"]
        threading.Thread(target=self._look, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for event in list(self._asked.values()):
            event.set()

    def samples(self) -> list[Sample]:
        """All so far."""
        return list(self._samples)

    def step(self) -> int:
        """The highest step that was told."""
        return max((one.step for one in self.samples()), default=0)

    def starts(self) -> list[Start]:
        """Of the groups that the logs of the pods tell of that are or were there at a call."""
        for pod in self._job.pods():
            with suppress(KubectlError):
                self._starts |= starts(self._job.namespace.run("logs", pod["metadata"]["name"]))
        return sorted(self._starts, key=lambda start: start.at)

    def wait_for(self, what: str, probe: Callable[[list[Sample]], Any], seconds: float) -> None:
        """Until the samples satisfy `probe`. Raises TimeoutError naming `what`."""
        end = time.monotonic() + seconds
        while not probe(self.samples()):
            if time.monotonic() > end:
                raise TimeoutError(f"not within {seconds:.0f} s: {what}; {self.samples()[-4:]}")
            time.sleep(PAUSE_SECONDS)

    def _look(self) -> None:
        """Ask who is there, and those that are gone no more. While nobody says so, all stay."""
        selector = f"{names.LABEL_JOB}={self._job.name},{names.LABEL_INDEX}"
        while not self._over.wait(LOOK_SECONDS):
            with suppress(client.ApiException, HTTPError):
                pods = self._api.list_namespaced_pod(
                    self._job.namespace.name, label_selector=selector, _request_timeout=2
                ).items
                ours = [p for p in pods if p.metadata.owner_references[0].uid == self._uid]
                there = {pod.metadata.uid: pod.status.pod_ip for pod in ours if pod.status.pod_ip}
                for uid in self._asked.keys() - there.keys():
                    self._asked[uid].set()
                for uid in there.keys() - self._asked.keys():
                    self._asked[uid] = threading.Event()
                    asking = (uid, there[uid], self._asked[uid])
                    threading.Thread(target=self._ask, args=asking, daemon=True).start()

    def _ask(self, uid: str, address: str, gone: threading.Event) -> None:
        url = f"http://{address}:{names.TRAINER_HTTP_PORT}/status"
        while not gone.wait(PAUSE_SECONDS):
            with suppress(OSError, HTTPException, ValueError, KeyError):
                with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:
                    told = json.load(answer)
                self._samples.append(sample(uid, told))


def sample(uid: str, told: dict[str, Any]) -> Sample:
    """An answer of a worker's /status."""
    figures = (told["generation"], told.get("rank"), told["worldSize"], told["step"])
    return Sample(time.time(), uid, told["phase"], *figures)


def starts(log: str) -> set[Start]:
    """The groups that a worker's log tells of."""
    found = set()
    for line in log.splitlines():
        with suppress(ValueError, KeyError, TypeError):
            entry = json.loads(line)
            if entry["message"].startswith("generation ") and ", from step " in entry["message"]:
                step = int(entry["message"].rpartition(" ")[2])
                found.add(
                    Start(_moment(entry["time"]), entry["generation"], entry["world_size"], step)
                )
    return found


def _moment(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
