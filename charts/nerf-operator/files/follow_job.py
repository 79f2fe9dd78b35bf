"""`helm test`: waits for the end of a NeRFJob, tells what happens, and deletes it if it succeeded.

    follow_job.py NAMESPACE NAME [SERVER]

Runs in the trainer's image with a service account that may do no more; standard library only.
Exit code 0: it succeeded. 1: it failed. The pod's own deadline ends a wait that is too long.
"""

import json
import ssl
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SERVER = "https://kubernetes.default.svc"
POLL_S = 1.0

Job = dict[str, Any]


class Client:
    """The two calls about one NeRFJob, as the pod's service account."""

    def __init__(self, namespace: str, name: str, server: str) -> None:
        path = f"/apis/nerfops.dev/v1alpha1/namespaces/{namespace}/nerfjobs/{name}"
        self._url = server + path
        authority = ACCOUNT / "ca.crt"
        self._tls = ssl.create_default_context(cafile=authority) if authority.exists() else None

    def get(self) -> Job:
        """The job. Raises OSError."""
        return dict(json.loads(self._call("GET")))

    def delete(self) -> None:
        """Delete the job, and with it all that it owns. Raises OSError."""
        self._call("DELETE")

    def _call(self, method: str) -> bytes:
        token = ACCOUNT / "token"  # Read anew each time: it expires.
        headers = {"Authorization": f"Bearer {token.read_text()}"} if token.exists() else {}
        request = urllib.request.Request(self._url, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=10, context=self._tls) as answer:
            return bytes(answer.read())


def conditions(job: Job) -> dict[str, Job]:
    """The job's conditions by type."""
    return {one["type"]: one for one in job.get("status", {}).get("conditions", [])}


def news(job: Job) -> Iterator[str]:
    """What is true of the job, or why it waits; a line each."""
    for type_, condition in conditions(job).items():
        if condition["status"] == "True":
            yield f"{type_}: {condition['reason']}: {condition['message']}"
    if summary := job.get("status", {}).get("workers", {}).get("summary"):
        yield f"workers ready: {summary}"


def is_true(job: Job, type_: str) -> bool:
    """Whether that condition holds."""
    return conditions(job).get(type_, {}).get("status") == "True"


def follow(client: Client) -> Job:
    """The job once it has ended; news are printed once. It asks until it is answered."""
    told: set[str] = set()
    while True:
        try:
            job = client.get()
        except OSError as error:
            job, lines = {}, [f"the API server: {error}"]
        else:
            lines = list(news(job))
        for line in lines:
            if line not in told:
                print(line, flush=True)
                told.add(line)
        if is_true(job, "Succeeded") or is_true(job, "Failed"):
            return job
        time.sleep(POLL_S)


def main(namespace: str, name: str, server: str = SERVER) -> int:
    """Follow the job to its end; the exit code."""
    client = Client(namespace, name, server)
    job = follow(client)
    if not is_true(job, "Succeeded"):
        print(f"It stays to be looked at: kubectl -n {namespace} describe nerfjob {name}")
        return 1
    client.delete()
    print(f"A scene was trained: {job['status']['progress']['psnr']:.1f} dB.")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
