"""The program of `helm test`: its exit code is the fate of the job."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from operator_support.chart import CHART

Object = dict[str, Any]
PATH = "/apis/nerfops.dev/v1alpha1/namespaces/lab/nerfjobs/test"


def job(**conditions: str) -> Object:
    """A job for which these are true, with these messages."""
    return {
        "status": {
            "progress": {"psnr": 21.34},
            "conditions": [
                {"type": type_, "status": "True", "reason": "Because", "message": message}
                for type_, message in conditions.items()
            ],
        }
    }


@contextmanager
def api_server(answers: list[Object | None]) -> Iterator[tuple[str, list[str]]]:
    """Gives one answer after the other (None: 503), and the last one for ever: its address, and
    the methods that it was asked by."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == PATH
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            asked.append(self.command)
            self.send_response(200 if answer is not None else 503)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        do_DELETE = do_GET  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def follow(*answers: Object | None) -> tuple[int, list[str], list[str]]:
    """Exit code, lines, and what the API server was asked."""
    with api_server(list(answers)) as (address, asked):
        done = subprocess.run(
            [sys.executable, CHART / "files" / "follow_job.py", "lab", "test", address],
            text=True,
            capture_output=True,
            timeout=60,
        )
    return done.returncode, done.stdout.splitlines(), asked


def test_a_job_that_succeeds_is_deleted() -> None:
    code, lines, asked = follow({}, job(Running="trains"), job(Succeeded="done"))
    assert code == 0
    assert lines == [
        *("Running: Because: trains", "Succeeded: Because: done"),
        "A scene was trained: 21.3 dB.",
    ]
    assert asked == ["GET", "GET", "GET", "DELETE"]


def test_a_job_that_fails_stays_and_says_why() -> None:
    code, lines, asked = follow(job(Failed="no GPU"))
    assert code == 1
    assert lines[0] == "Failed: Because: no GPU"
    assert "kubectl -n lab describe nerfjob test" in lines[1]
    assert asked == ["GET"]


def test_an_api_server_that_is_away_is_waited_for() -> None:
    code, lines, asked = follow(None, job(Failed="at last"))
    assert code == 1
    assert lines[0] == "the API server: HTTP Error 503: Service Unavailable"
    assert asked == ["GET", "GET"]
