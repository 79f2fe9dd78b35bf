"""Run a command in an image's root file system, in namespaces of its own, without an engine.

The root is read-only, as in the pods; writable are only what the caller mounts and the
tmpfs mounts. The only network is loopback. Linux and root only.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
PR_SET_PDEATHSIG = 1
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
HOST_NAME = "trainer"
WRITABLE = ("/tmp", "/workspace", "/dev/shm", "/run")
COMMAND_NOT_FOUND = 127

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Bind:
    """A host path that the command sees at `target`."""

    source: Path
    target: str
    writable: bool = True


@dataclass(frozen=True)
class Sandbox:
    """What the command gets. `layers` are the image's layer folders, the top one first."""

    layers: tuple[str, ...]
    scratch: Path
    binds: tuple[Bind, ...] = ()
    tmpfs: tuple[str, ...] = WRITABLE
    env: dict[str, str] = field(default_factory=dict)
    user: int = 10001
    cwd: str = "/workspace"
    host_network: bool = False


def run(sandbox: Sandbox, command: list[str]) -> int:
    """Runs the command and returns its exit code (128 + n when signal n ended it)."""
    flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID
    if not sandbox.host_network:
        flags |= CLONE_NEWNET
    _check(_libc.unshare(flags), "unshare")
    sandbox.scratch.mkdir(parents=True, exist_ok=True)
    child = os.fork()
    if child == 0:
        _guarded(lambda: _init(sandbox, command))
    return _wait(child)


def _guarded(body: Callable[[], None]) -> NoReturn:
    """Never returns into the parent's code: a forked child exits with a message instead."""
    try:
        body()
    except BaseException as error:
        print(f"in-trainer: {error}", file=sys.stderr, flush=True)
    os._exit(COMMAND_NOT_FOUND)


def _init(sandbox: Sandbox, command: list[str]) -> NoReturn:
    """The first process of the PID namespace: mounts, starts the command, reaps orphans."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")
    socket.sethostname(HOST_NAME)
    if not sandbox.host_network:
        _loopback_up()
    root = _mount_all(sandbox)
    child = os.fork()
    if child == 0:
        _guarded(lambda: _become(sandbox, root, command))
    code = _wait(child, reap_all=True)
    os._exit(code)


def _become(sandbox: Sandbox, root: Path, command: list[str]) -> None:
    os.chroot(root)
    os.chdir(sandbox.cwd)
    os.setgroups([])
    os.setgid(sandbox.user)
    os.setuid(sandbox.user)
    try:
        os.execvpe(command[0], command, sandbox.env)
    except FileNotFoundError:
        print(f"in-trainer: no such command in the image: {command[0]}", file=sys.stderr)


def _mount_all(sandbox: Sandbox) -> Path:
    scratch = sandbox.scratch
    _mount("-t", "tmpfs", "tmpfs", scratch)
    root, upper, work = (scratch / name for name in ("root", "upper", "work"))
    for folder in (root, upper, work):
        folder.mkdir()
    options = f"lowerdir={':'.join(sandbox.layers)},upperdir={upper},workdir={work}"
    _mount("-t", "overlay", "-o", options, "overlay", root)
    _mount_system(root)
    for target in sandbox.tmpfs:
        _mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", _folder(root, target))
    for bind in sandbox.binds:
        _mount_bind(root, bind)
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost {HOST_NAME}\n")
    _mount("-o", "remount,ro", root)
    return root


def _mount_system(root: Path) -> None:
    _mount("-t", "proc", "proc", _folder(root, "/proc"))
    _mount("--bind", "-o", "ro", "/sys", _folder(root, "/sys"))
    dev = _folder(root, "/dev")
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", dev)
    for name in DEVICES:
        (dev / name).touch()
        _mount("--bind", f"/dev/{name}", dev / name)
    (dev / "fd").symlink_to("/proc/self/fd")


def _mount_bind(root: Path, bind: Bind) -> None:
    target = root / bind.target.lstrip("/")
    if bind.source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _mount("--bind", bind.source, target)
    if not bind.writable:
        _mount("-o", "remount,bind,ro", target)


def _folder(root: Path, path: str) -> Path:
    folder = root / path.lstrip("/")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sh14x", b"lo", 0)
        answer = fcntl.ioctl(sock, SIOCGIFFLAGS, request)
        (flags,) = struct.unpack_from("h", answer, 16)
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def _wait(child: int, reap_all: bool = False) -> int:
    """Waits for the child, passing SIGTERM on; a terminal sends SIGINT to the child itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _: _kill(child, number))
    while True:
        pid, status = os.waitpid(-1 if reap_all else child, 0)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _check(result: int, call: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{call}: {os.strerror(error)} (root is needed)")
