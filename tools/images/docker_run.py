"""The sandbox of tools/images/in-trainer where a docker engine built the image."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from images.sandbox import Sandbox


def command_line(image: str, sandbox: Sandbox, command: list[str]) -> list[str]:
    """`docker run` with the same mounts, user, network and read-only root as sandbox.run."""
    return ["docker", "run", *_options(sandbox), image, *command]


def _options(sandbox: Sandbox) -> Iterator[str]:
    yield from ("--rm", "--init", "--interactive", "--read-only")
    if sys.stdin.isatty():
        yield "--tty"
    yield from ("--user", f"{sandbox.user}:{sandbox.user}", "--workdir", sandbox.cwd)
    yield from ("--network", "host" if sandbox.host_network else "none")
    for path in sandbox.tmpfs:
        yield from ("--tmpfs", f"{path}:exec,mode=1777")
    for bind in sandbox.binds:
        mode = "rw" if bind.writable else "ro"
        yield from ("--volume", f"{bind.source}:{bind.target}:{mode}")
    for name, value in sandbox.env.items():
        yield from ("--env", f"{name}={value}")
