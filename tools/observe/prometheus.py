"""Debian's Prometheus and promtool, on loopback and in a folder of their own."""

import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from observe.client import Client

RULES = Path(__file__).resolve().parents[2] / "charts/nerf-operator/files/rules.yaml"
READY_SECONDS = 30.0


@contextmanager
def serving(
    data: Path, scrapes: Sequence[dict[str, Any]] = (), port: int = 0, interval: str = "15s"
) -> Iterator[Client]:
    """Run it on 127.0.0.1 over the blocks in `data`, with our rules; yields who asks it.

    scrapes: of its configuration. Raises RuntimeError where it does not come up.
    """
    data.mkdir(parents=True, exist_ok=True)
    config = data / "prometheus.yml"
    config.write_text(_config(scrapes, interval))
    address = f"127.0.0.1:{port or _free_port()}"
    flags = {
        "config.file": config,
        "storage.tsdb.path": data / "tsdb",
        "storage.tsdb.retention.time": "2d",
        "web.listen-address": address,
        "log.level": "warn",
    }
    with (data / "prometheus.log").open("ab") as log:
        argv = [
            "prometheus",
            "--web.enable-admin-api",
            *(f"--{name}={value}" for name, value in flags.items()),
        ]
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        _await(process, f"http://{address}/-/ready", data / "prometheus.log")
        yield Client(f"http://{address}")
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _config(scrapes: Sequence[dict[str, Any]], interval: str) -> str:
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": interval, "evaluation_interval": interval},
            "rule_files": [str(RULES)],
            "scrape_configs": list(scrapes),
        }
    )


def _await(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    process.terminate()
    words = log.read_text(errors="replace").splitlines()[-5:]
    raise RuntimeError("Prometheus did not come up:\n" + "\n".join(words))


def keep(data: Path, client: Client, kept: Path) -> None:
    """Have in the folder `kept` what the Prometheus on `data` knows, for another one to serve.

    What is only in its log would be lost where blocks are added: it begins after the newest one.
    """
    kept.mkdir()
    (data / "tsdb/snapshots" / client.keep()).rename(kept / "tsdb")


def add_history(data: Path, openmetrics: Path) -> None:
    """Put samples from an OpenMetrics file into the blocks of a Prometheus that does not run."""
    _promtool("tsdb", "create-blocks-from", "openmetrics", openmetrics, data / "tsdb")


def add_recorded(data: Path, client: Client, rules: Path, span: tuple[float, float]) -> None:
    """Record the series of `rules` over a span of the past; seen once it is started anew."""
    _promtool(
        *("tsdb", "create-blocks-from", "rules", f"--url={client.url}"),
        *(f"--start={span[0]:.0f}", f"--end={span[1]:.0f}", "--eval-interval=15s"),
        *(f"--output-dir={data / 'tsdb'}", rules),
    )


def _promtool(*words: str | Path) -> None:
    done = subprocess.run(["promtool", *map(str, words)], text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(
            f"promtool {' '.join(map(str, words[:3]))}: {done.stderr or done.stdout}"
        )
