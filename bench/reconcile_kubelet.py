"""A stand-in for all kubelets: it makes every pod Running and Ready, and answers for its trainer.

    python3 bench/reconcile_kubelet.py URL TOKEN

It prints which pods it has heard of, a line each: job, pod, and when by time.monotonic(). Each has
an address of its own in 127.64.0.0/10, where one handler tells how far its training is. `/move`
lets the trainings go on from the next question on, `/rest` makes them stand still.
"""

import asyncio
import ipaddress
import json
import sys
import time

from reconcile_api import Client, Object, path

PORT = 9400
FIRST_ADDRESS = ipaddress.IPv4Address("127.64.0.1")
STEPS_PER_SECOND = 5
LABEL_JOB = "nerfops.dev/job"
LABEL_INDEX = "nerfops.dev/worker-index"
MANAGED = "labelSelector=app.kubernetes.io/managed-by=nerf-operator"


class Trainers:
    """What all trainers answer, over HTTP."""

    def __init__(self) -> None:
        self._moving_since: float | None = None

    async def serve(self, address: str) -> None:
        """Answer at the address of a pod."""
        await asyncio.start_server(self._converse, address, PORT)

    async def _converse(self, asked: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await asked.readuntil(b"\r\n\r\n")
                answer.write(self._respond(request.split(maxsplit=2)[1].decode()))
        except (asyncio.IncompleteReadError, ConnectionError):
            answer.close()

    def _respond(self, route: str) -> bytes:
        if route in ("/move", "/rest"):
            self._moving_since = time.monotonic() if route == "/move" else None
        body = json.dumps(self._progress()).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    def _progress(self) -> Object:
        since = self._moving_since
        step = 1000 + (int((time.monotonic() - since) * STEPS_PER_SECOND) if since else 0)
        return {
            **{"phase": "training", "step": step, "totalSteps": 100_000, "worldSize": 2},
            **{"generation": 1, "rank": 0, "loss": 0.01, "psnr": 24.5, "ssim": 0.8},
            **{"raysPerSecond": 12_345.0, "etaSeconds": (100_000 - step) / STEPS_PER_SECOND},
            "checkpoint": {"step": step - step % 100, "time": "2026-11-28T00:00:00Z"},
        }


async def main(url: str, token: str) -> None:
    """Start every pod as soon as it is there."""
    trainers, started = Trainers(), set[str]()
    async with Client(url, token) as client, asyncio.TaskGroup() as starts:
        async for _, pod in client.watch(f"/api/v1/pods?{MANAGED}", only="ADDED"):
            meta = pod["metadata"]
            if meta["uid"] not in started:
                address = str(FIRST_ADDRESS + len(started))
                started.add(meta["uid"])
                if LABEL_INDEX in meta["labels"]:
                    made = [meta["labels"][LABEL_JOB], meta["name"], time.monotonic()]
                    print(json.dumps(made), flush=True)
                starts.create_task(_start(client, trainers, pod, address))


async def _start(client: Client, trainers: Trainers, pod: Object, address: str) -> None:
    await trainers.serve(address)
    meta = pod["metadata"]
    place = path("pods", meta["namespace"], f"{meta['name']}/status")
    await client.report(place, {"metadata": {"uid": meta["uid"]}, "status": running(pod, address)})


def running(pod: Object, address: str) -> Object:
    """The status of a pod whose container is ready."""
    container = pod["spec"]["containers"][0]
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [
            {"type": kind, "status": "True", "lastTransitionTime": now}
            for kind in ("PodReadyToStartContainers", "PodScheduled", "ContainersReady", "Ready")
        ],
        "containerStatuses": [
            {
                **{"name": container["name"], "image": container["image"]},
                **{"imageID": f"localhost/trainer@sha256:{'b' * 64}", "ready": True},
                **{"restartCount": 0, "started": True, "state": {"running": {"startedAt": now}}},
            }
        ],
    }


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
