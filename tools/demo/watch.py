"""Following a NeRFJob until it ends."""

import json
import sys
import time
from typing import Any

from demo import shell

Job = dict[str, Any]
POLL_S = 1.0
#: Seconds between two lines in a log file; a terminal has one line that is redrawn.
LOG_EVERY_S = 10.0


def get(name: str, namespace: str) -> Job | None:
    """The job, or None while the API server does not answer."""
    text = shell.kubectl("get", "nerfjob", name, "-n", namespace, "-o", "json", quiet=True)
    return json.loads(text) if text else None


def condition(job: Job, type_: str) -> dict[str, str]:
    """A condition of the job; empty before it was written."""
    found = [c for c in job.get("status", {}).get("conditions", []) if c["type"] == type_]
    return found[0] if found else {}


def is_true(job: Job, type_: str) -> bool:
    """Whether that condition holds."""
    return condition(job, type_).get("status") == "True"


def line(job: Job) -> str:
    """What is going on, in one line."""
    status = job.get("status", {})
    progress = status.get("progress")
    workers = status.get("workers", {}).get("summary", "0/?")
    if not progress or not progress.get("step"):
        waiting = condition(job, "Stalled") if is_true(job, "Stalled") else None
        reason = waiting or condition(job, "WorkersReady")
        return f"workers {workers}  {reason.get('message', 'waiting for the operator')}"
    filled = progress["percent"] * 30 // 100
    parts = [
        f"[{'#' * filled}{'.' * (30 - filled)}] {progress['percent']:3d} %",
        f"step {progress['step']}/{progress['totalSteps']}",
        f"{progress.get('raysPerSecond', 0):,} rays/s",
        f"PSNR {progress['psnr']:.2f} dB" if progress.get("psnr") else "PSNR -",
        f"workers {workers}",
        f"ETA {progress.get('eta', '-')}",
    ]
    return "  ".join(parts)


def until_finished(name: str, namespace: str, timeout_s: float) -> Job | None:
    """Show progress until the job succeeded or failed; None when the time is up."""
    deadline = time.monotonic() + timeout_s
    last, last_at = "", 0.0
    while time.monotonic() < deadline:
        job = get(name, namespace)
        if job is not None:
            last, last_at = _show(line(job), last, last_at)
            if is_true(job, "Succeeded") or is_true(job, "Failed"):
                _end_line()
                return job
        time.sleep(POLL_S)
    _end_line()
    shell.say(f"gave up after {timeout_s:.0f} s")
    return None


def _show(text: str, last: str, last_at: float) -> tuple[str, float]:
    if sys.stdout.isatty():
        print(f"\r\x1b[K{text}", end="", flush=True)
        return text, last_at
    now = time.monotonic()
    if text != last and now - last_at >= LOG_EVERY_S:
        shell.say(text)
        return text, now
    return last, last_at


def _end_line() -> None:
    if sys.stdout.isatty():
        print()


def explain(name: str, namespace: str) -> None:
    """Print what a person needs to find out why the job did not succeed."""
    print(shell.kubectl("describe", "nerfjob", name, "-n", namespace))
    print(shell.kubectl("get", "pods,pvc", "-n", namespace, "-o", "wide"))
    selector = f"nerfops.dev/job={name}"
    print(shell.kubectl("logs", "-n", namespace, "-l", selector, "--tail=30", "--prefix"))
