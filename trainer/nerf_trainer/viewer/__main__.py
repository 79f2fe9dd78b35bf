"""The viewer of a job.

    NERF_VIEWER_TOKEN=... python3 -m nerf_trainer.viewer --config FILE

The page asks for the token, as `?token=` of its address or `Authorization: Bearer`. In a pod it is
served to the cluster, elsewhere to this machine alone. Checkpoints and the dataset are looked for
where the training has them, and only read.
"""

import argparse
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import torch
from aiohttp import web

from nerf_contract import names
from nerf_contract.reasons import CONFIG_INVALID
from nerf_trainer import logs
from nerf_trainer.config import load_config
from nerf_trainer.ending import leave
from nerf_trainer.failures import TrainerFailure, write_termination
from nerf_trainer.places import output_folder
from nerf_trainer.viewer.access import Gate
from nerf_trainer.viewer.artist import Artist
from nerf_trainer.viewer.follower import Follower
from nerf_trainer.viewer.frusta import from_outside
from nerf_trainer.viewer.page import Page
from nerf_trainer.viewer.proxy import Proxy

log = logging.getLogger("nerf_trainer.viewer")

SHORTEST_TOKEN = 16


def main() -> int:
    """Serve until a signal ends it, and return the exit code."""
    logs.set_up()
    logging.getLogger("websockets").setLevel(logging.WARNING)
    args = parse_arguments()
    try:
        serve(args, watched_gate(os.environ, args.allow_origin))
    except TrainerFailure as failure:
        log.error("%s: %s", failure.reason, failure.message)
        write_termination(failure.reason, failure.message, None)
        return failure.failure.exit_code
    except OSError as error:
        log.error("cannot listen on port %d: %s. Choose another by --port.", args.port, error)
        return 1
    return 0


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    everybody = names.ENV_POD_IP in os.environ
    parser = argparse.ArgumentParser(prog="nerf_trainer.viewer", description="Show the scene.")
    parser.add_argument("--config", type=Path, help="JSON file; all defaults if absent")
    parser.add_argument(
        "--host",
        default="" if everybody else "127.0.0.1",
        help="address to listen on; in a pod all, elsewhere 127.0.0.1, if absent",
    )
    parser.add_argument("--port", type=int, default=names.VIEWER_PORT)
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="address that an ingress gives the page, such as https://nerf.example.com",
    )
    return parser.parse_args()


def create_gate(environment: Mapping[str, str], origins: Sequence[str]) -> Gate:
    """Who is let in. Raises TrainerFailure (ConfigInvalid) where that would be everybody."""
    token = read_token(environment)
    if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable():
        raise TrainerFailure(
            CONFIG_INVALID,
            f"{names.ENV_VIEWER_TOKEN} must hold a secret of {SHORTEST_TOKEN} or more printable "
            'ASCII characters: export it as "$(openssl rand -hex 32)".',
        )
    for origin in origins:
        if urlsplit(origin).scheme not in ("http", "https") or urlsplit(origin).path:
            raise TrainerFailure(
                CONFIG_INVALID,
                f"--allow-origin {origin}: must be a scheme and a host, as https://nerf.example.com.",
            )
    job = environment.get(names.ENV_JOB_NAME)
    return Gate(token, f"{job}-viewer" if job else "", frozenset(origins))


def read_token(environment: Mapping[str, str]) -> str:
    """The token as it is now, from a file or the environment; empty where there is none."""
    file = environment.get(names.ENV_VIEWER_TOKEN_FILE)
    if file is None:
        return environment.get(names.ENV_VIEWER_TOKEN, "")
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read: %s", file, error)
        return ""


def watched_gate(environment: Mapping[str, str], origins: Sequence[str]) -> Callable[[], Gate]:
    """Tells the gate of now: a token that is changed, as in a Secret, takes the place of the old
    one. One that is no good does not. Raises as `create_gate`."""
    gate = create_gate(environment, origins)

    def current() -> Gate:
        nonlocal gate
        # nosemgrep: tokens-take-constant-time (nobody gives this one: it is ours, read again)
        if read_token(environment) != gate.token:
            with suppress(TrainerFailure):
                gate = create_gate(environment, origins)
        return gate

    return current


def serve(args: argparse.Namespace, gate: Callable[[], Gate]) -> None:
    """Read the cameras, then show whatever the training has, until a signal comes."""
    config = load_config(args.config)
    torch.set_num_threads(1)
    artist = Artist()
    title = os.environ.get(names.ENV_JOB_NAME, "Scene")
    page = Page(title, artist, from_outside(config.model.scene_bound))
    follower = Follower(config, output_folder(), artist, page)
    follower.find_cameras()
    proxy = Proxy(page.address, lambda: follower.still, follower.expect)
    artist.start()
    follower.start()
    web.run_app(
        *(proxy.app(gate),),
        host=args.host or None,
        port=args.port,
        print=lambda _: log.info("the page is at port %d, for who has the token", args.port),
        access_log=None,
        shutdown_timeout=1,
    )


if __name__ == "__main__":
    leave(main())
