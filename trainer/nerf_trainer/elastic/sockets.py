"""The TCP connections that torch opens, found so that a blocked collective can be broken.

Gloo cannot abort a collective: a peer that hangs would block it until its time-out. Shutting its
connections down from outside makes it fail at once, as if the peers had died.
"""

import os
import socket
from contextlib import suppress
from pathlib import Path

_FDS = Path("/proc/self/fd")


def open_sockets() -> dict[str, int]:
    """Sockets of this process: the kernel's unique name of each, and its file descriptor."""
    found = {}
    for entry in _FDS.iterdir():
        with suppress(OSError):
            target = str(entry.readlink())
            if target.startswith("socket:"):
                found[target] = int(entry.name)
    return found


def shut_down(sockets: set[str]) -> None:
    """End the connections named in `sockets` that are still open; their owner sees an error."""
    for name, fd in open_sockets().items():
        if name in sockets:
            with suppress(OSError), socket.socket(fileno=os.dup(fd)) as connection:
                _shut_down(connection)


def _shut_down(connection: socket.socket) -> None:
    """Listeners stay: gloo ends the process when one of its own fails."""
    if not connection.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        connection.shutdown(socket.SHUT_RDWR)
