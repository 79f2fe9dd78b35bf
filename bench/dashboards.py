"""Dashboards and rules against a real Prometheus that scraped a real job while it rescaled.

    make bench-dashboards            7 minutes

The job's processes run in the trainer image; the operator serves other jobs on a real API server,
with a stand-in for the kubelets (see `reconcile.py`). This machine has no GPU: what GPUs would tell
is added afterwards, made up, and the pages say so. They are in out/observe. Fails where any query
of a panel, any recorded series, or any series that an alert watches is missing. The last line of
the output is one JSON object; `efficiency` is from the times of the steps that the processes noted
while the job last trained with two, `efficiency_shown` what the dashboard had in that time.
"""

import asyncio
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dashboards_job import JOB, NAMESPACE
from machine import machine
from operator_support.cluster import nerf_job
from operator_support.process import Operator
from reconcile import prepare, running
from reconcile_api import Client as ApiClient
from reconcile_api import path

from generate.monitoring import alerts, recorded, rules
from nerf_contract import metrics as m
from nerf_trainer.metrics import TrainerMetrics
from observe import board, made_up, pages, prometheus
from observe.asked import selectors
from observe.client import Client, Span
from observe.history import History

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "out" / "observe"
INTERVAL = 2
WAIT_SECONDS = 900
OF_GPUS = (m.GPU_MEMORY.name, m.GPU_UTILIZATION.name)
NOTES = {"gpu_memory": "made up: no GPU here", "gpu_utilization": "made up: no GPU here"}


def main() -> int:
    """Run the job, draw the pages, and print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        shared = data / "job"
        shared.mkdir(mode=0o777)
        shared.chmod(0o777)
        with running() as (server, operator):
            scrapes = _scrapes(shared, operator)
            with prometheus.serving(data, scrapes, interval=f"{INTERVAL}s") as client:
                _await_first_scrape(client)
                begin = time.time()
                asyncio.run(_apply(server))
                _train(shared)
                prometheus.keep(data, client, data / "kept")
        span = Span(begin, time.time() - 5, INTERVAL)
        figures = json.loads((shared / "figures.json").read_text())
        _add_gpus(data / "kept", span)
        with prometheus.serving(data / "kept") as client:
            missing = sorted(set(_missing(client, span)))
            shown = _shown(client, Span(figures.pop("since"), span.end, INTERVAL))
            figures |= {"efficiency_shown": shown, "missing": missing}
            pages.draw_all(client, span, NAMESPACE, JOB, OUT, NOTES)
    rounded = {key: round(v, 4) if isinstance(v, float) else v for key, v in figures.items()}
    print(json.dumps(rounded | {"machine": machine(), "date": time.strftime("%Y-%m-%d")}))
    return 1 if missing else 0


def _await_first_scrape(client: Client) -> None:
    """Of the operator: what happens before it is no increase."""
    end = time.monotonic() + 60
    while not client.at('up{job="nerf-operator"} == 1', time.time()):
        if time.monotonic() > end:
            raise RuntimeError("the operator is not scraped")
        time.sleep(INTERVAL)


async def _apply(server: Any) -> None:
    """Two jobs that train, and one that waits for GPUs, of which there are none."""
    waiting = nerf_job(
        "waiting", workers={"min": 1, "max": 4, "gpusPerWorker": 1}, scaling={"policy": "Auto"}
    )
    waiting["spec"]["workers"].pop("replicas", None)
    async with ApiClient(server.url, server.token) as client:
        await prepare(client)
        for job in (nerf_job("first"), nerf_job("second"), waiting):
            await client.create(path("nerfjobs", job["metadata"].get("namespace", "bench")), job)


def _scrapes(shared: Path, operator: Operator) -> list[dict[str, Any]]:
    """The job's processes as they come and go, and the operator."""
    labels = {"namespace": "nerf-system", "job": "nerf-operator", "pod": "nerf-nerf-operator-0"}
    address = f"127.0.0.1:{operator.port}"
    found = [{"files": [str(shared / "targets.json")], "refresh_interval": "1s"}]
    return [
        {"job_name": "workers", "file_sd_configs": found},
        {"job_name": "operator", "static_configs": [{"targets": [address], "labels": labels}]},
    ]


def _train(shared: Path) -> None:
    """Raises subprocess.CalledProcessError where the training does not go as planned."""
    command = [str(ROOT / "tools/images/in-trainer"), "--host-network", "-v", f"{shared}:/shared"]
    script = ["--", "python3", "-u", "/src/bench/dashboards_job.py", "/shared"]
    subprocess.run([*command, *script], check=True, timeout=WAIT_SECONDS)


def _add_gpus(data: Path, span: Span) -> None:
    """What GPUs would have told meanwhile, for Prometheus and for the series that it records."""
    history, process = History(), TrainerMetrics()
    for tick in range(0, int(span.end - span.start), 5):
        made_up.use_gpu(process, tick)
        for index in (0, 1):
            labels = {"namespace": NAMESPACE, "job": JOB, "pod": f"{JOB}-worker-{index}-0"}
            history.scrape(process.registry, labels, span.start + tick, OF_GPUS)
    samples, rule_file = data / "gpus.om", data / "gpus.yaml"
    history.write(samples)
    rule_file.write_text(rules.of_gpus())
    prometheus.add_history(data, samples)
    with prometheus.serving(data) as client:
        prometheus.add_recorded(data, client, rule_file, (span.start, span.end))


def _missing(client: Client, span: Span) -> Iterator[str]:
    for path_, found in board.read_all(client, span, NAMESPACE, JOB):
        for panel in found.panels:
            for target in panel.targets:
                if not board.answer(client, target, span):
                    yield f"{path_.stem}: {panel.title}: {target.expression}"
    for rule in recorded.ALL:
        if not client.over(rule.name, span):
            yield rule.name
    for alert in alerts.ALL:  # Which should have nothing to say themselves.
        watched = [one.prettify() for one in selectors(alert.expression)]
        yield from (f"{alert.name}: {one}" for one in watched if not client.over(one, span))


def _shown(client: Client, span: Span) -> float:
    """Median of the efficiency on the dashboard in a span of time."""
    matched = f'{recorded.EFFICIENCY.name}{{namespace="{NAMESPACE}", job="{JOB}"}}'
    [series] = client.over(matched, span)
    return statistics.median(value for _, value in series.points)


if __name__ == "__main__":
    if not shutil.which("promtool"):
        sys.exit("run tools/setup/setup.sh")
    sys.exit(main())
