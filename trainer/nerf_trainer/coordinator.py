"""The coordinator of one job as a process of its own: `python3 -m nerf_trainer.coordinator`.

Configured by environment: the fewest worker pods, and the pod's address.
"""

import logging
import os
import signal
import sys
from collections.abc import Mapping

from nerf_contract import names
from nerf_trainer.coordination.membership import Settings
from nerf_trainer.coordination.server import Server


def bind_host(env: Mapping[str, str]) -> str:
    """The pod's address; any where a pod does not know its own; loopback outside Kubernetes."""
    anywhere = "0.0.0.0" if "KUBERNETES_SERVICE_HOST" in env else "127.0.0.1"
    return env.get(names.ENV_POD_IP) or anywhere


def create_server(env: Mapping[str, str], port: int) -> Server:
    """A server for the job that `env` describes, not yet started."""
    settings = Settings(min_pods=int(env.get(names.ENV_MIN_WORKERS, "1")))
    return Server(settings, bind_host(env), port)


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    port = os.environ.get(names.ENV_COORDINATOR, "").rpartition(":")[2]
    server = create_server(os.environ, int(port or names.COORDINATOR_PORT))
    server.start()
    signal.sigwait(signals)
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
