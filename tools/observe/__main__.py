"""Watch a cluster by a Prometheus on this machine, and draw Grafana's dashboards as pictures.

    python -m observe serve     scrape the cluster that kubectl talks to, until Ctrl-C
    python -m observe draw      the dashboards of the job that trained last, to out/observe
    python -m observe demo      the same of a made-up hour, without any cluster

`make observe` and `make observe-pages` set the paths for it.
"""

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from observe import made_up, pages, prometheus, scraping
from observe.client import Client, Span

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "out" / "observe"
PORT = 9090


def main() -> int:
    """Do as told."""
    arguments = _arguments()
    try:
        arguments.run(arguments)
    except (RuntimeError, OSError) as error:
        print(f"observe: {error}", file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="observe", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(required=True, metavar="serve|draw|demo")
    verb = verbs.add_parser("serve", help="run Prometheus on loopback against the cluster")
    verb.add_argument("--port", type=int, default=PORT)
    verb.add_argument("--interval", default="5s", help="between two scrapes")
    verb.set_defaults(run=serve)
    verb = verbs.add_parser("draw", help="draw the dashboards")
    verb.add_argument("--url", default=f"http://127.0.0.1:{PORT}")
    verb.add_argument("--job", help="NAMESPACE/NAME; the one that trained last if absent")
    verb.add_argument("--minutes", type=float, default=15)
    verb.set_defaults(run=draw)
    verbs.add_parser("demo", help="draw a made-up hour").set_defaults(run=demo)
    return parser.parse_args()


def serve(arguments: argparse.Namespace) -> None:
    """Scrape until told to end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    OUT.mkdir(parents=True, exist_ok=True)
    found, settings = OUT / "targets.json", (arguments.port, arguments.interval)
    with (
        scraping.discovering(found) as known,
        prometheus.serving(OUT / "data", known, *settings) as client,
    ):
        print(f"Prometheus scrapes the cluster: {client.url} (Ctrl-C ends it)", flush=True)
        print("Its dashboards as pictures: make observe-pages", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("\nended; what was scraped stays in", OUT / "data")


def draw(arguments: argparse.Namespace) -> None:
    """The dashboards of a job, as Prometheus knows it."""
    client, now, seconds = Client(arguments.url), time.time(), arguments.minutes * 60
    span = Span(now - seconds, now, max(1.0, seconds / 240))
    namespace, _, job = (arguments.job or _newest_job(client, span)).partition("/")
    _tell(pages.draw_all(client, span, namespace, job, OUT, {}))


def _newest_job(client: Client, span: Span) -> str:
    found = client.over("max by (namespace, job) (nerf_trainer_step)", span)
    if not found:
        raise RuntimeError("no NeRFJob has trained in this time")
    labels = max(found, key=lambda one: one.points[-1][0]).labels
    return f"{labels['namespace']}/{labels['job']}"


def demo(arguments: argparse.Namespace) -> None:
    """The dashboards of a made-up hour."""
    notes = {"": "made up"}
    with tempfile.TemporaryDirectory() as folder, made_up.hour(Path(folder)) as (client, span):
        _tell(pages.draw_all(client, span, made_up.NAMESPACE, made_up.JOB, OUT, notes))


def _tell(empty: dict[Path, list[str]]) -> None:
    for file, titles in empty.items():
        print(file.relative_to(ROOT), *(f"\n  no data: {title}" for title in titles))


if __name__ == "__main__":
    sys.exit(main())
