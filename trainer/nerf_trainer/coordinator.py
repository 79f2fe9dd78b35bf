"""The coordinator of one job as a process of its own: `python3 -m nerf_trainer.coordinator`.

Configured by environment: the fewest worker pods, the pod's address, and the job's token.
"""

import logging
import os
import signal
import sys
from collections.abc import Mapping

from nerf_contract import names
from nerf_trainer.coordination.membership import Settings
from nerf_trainer.coordination.server import Server
from nerf_trainer.coordination.token import TokenError, read_token

log = logging.getLogger(__name__)


def bind_host(env: Mapping[str, str]) -> str:
    """The pod's address; any where a pod does not know its own; loopback outside Kubernetes."""
    anywhere = "0.0.0.0" if "KUBERNETES_SERVICE_HOST" in env else "127.0.0.1"
    return env.get(names.ENV_POD_IP) or anywhere


def create_server(env: Mapping[str, str], port: int) -> Server:
    """A server for the job that `env` describes, not yet started. Without a token it serves this
    machine alone.

    Raises: TokenError; OSError when the address cannot be bound.
    """
    settings = Settings(min_pods=int(env.get(names.ENV_MIN_WORKERS, "1")))
    token = read_token(env)
    return Server(settings, bind_host(env) if token else "127.0.0.1", port, token)


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    port = os.environ.get(names.ENV_COORDINATOR, "").rpartition(":")[2]
    try:
        server = create_server(os.environ, int(port or names.COORDINATOR_PORT))
    except TokenError as error:
        log.error("%s", error)
        return os.EX_CONFIG
    server.start()
    signal.sigwait(signals)
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
