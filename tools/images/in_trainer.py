"""Run a command in the trainer image's root file system on this machine, without a cluster.

    tools/images/in-trainer [-v HOST:CONTAINER[:ro]] [-e NAME[=VALUE]] -- python3 -m pytest

The checkout is at /src (read-only); its contract/ and trainer/ come before the image's own code,
so a change needs no rebuild. Writable: /tmp, /workspace, /dev/shm (all in memory, gone at the
end) and what -v mounts. The command runs as the image's user 10001 unless --root is given; a
mounted folder must be writable for that user. The network is loopback only.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from images import sandbox, storage
from images.recipes import CHECKOUT

IMAGE = "localhost/nerf-trainer-test:cpu"
PASSED_ON = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TERM", "COLUMNS", "NO_COLOR", "CI")
PASSED_PREFIXES = ("NERF_", "TORCH_LOGS", "PYTEST_", "HYPOTHESIS_", "TORCHELASTIC_")
TRAINER_USER = 10001


def main() -> int:
    arguments = parse_arguments()
    if os.geteuid() != 0:
        sys.exit("in-trainer: mounting the image's root needs root; run it with sudo")
    rootfs = storage.load_rootfs(arguments.image)
    if rootfs is None:
        sys.exit(
            f"in-trainer: {arguments.image} is not built here; run tools/images/images.py build"
        )
    return sandbox.run(describe(arguments, rootfs), arguments.command)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-v", "--volume", action="append", default=[], metavar="HOST:CONTAINER")
    parser.add_argument("-e", "--env", action="append", default=[], metavar="NAME[=VALUE]")
    parser.add_argument("-w", "--workdir", default="/src", help="default: /src, the checkout")
    parser.add_argument("--image", default=IMAGE)
    parser.add_argument("--root", action="store_true", help="run as root, not as user 10001")
    parser.add_argument("--host-network", action="store_true")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def describe(arguments: argparse.Namespace, rootfs: storage.RootFs) -> sandbox.Sandbox:
    user = 0 if arguments.root else TRAINER_USER
    inductor = storage.cache_root() / "inductor"
    inductor.mkdir(parents=True, exist_ok=True)
    os.chown(inductor, user, user)
    binds = [
        sandbox.Bind(CHECKOUT, "/src", writable=False),
        sandbox.Bind(inductor, "/cache/inductor"),
        *map(parse_volume, arguments.volume),
    ]
    mounted = {bind.target for bind in binds}
    return sandbox.Sandbox(
        layers=tuple(rootfs.layers),
        scratch=storage.images_cache() / "scratch",
        binds=tuple(binds),
        tmpfs=tuple(path for path in sandbox.WRITABLE if path not in mounted),
        env=environment(rootfs.env, arguments.env),
        user=user,
        cwd=arguments.workdir,
        host_network=arguments.host_network,
    )


def parse_volume(text: str) -> sandbox.Bind:
    source, _, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    if not Path(source).exists() or not target.startswith("/") or mode not in ("", "ro", "rw"):
        sys.exit(f"in-trainer: -v wants HOST:CONTAINER[:ro] with an existing HOST, got {text!r}")
    return sandbox.Bind(Path(source).resolve(), target, writable=mode != "ro")


def environment(image_env: dict[str, str], extra: list[str]) -> dict[str, str]:
    env = dict(image_env)
    for name, value in os.environ.items():
        if name in PASSED_ON or name.startswith(PASSED_PREFIXES):
            env[name] = value
    env["PYTHONPATH"] = f"/src/contract:/src/trainer:{image_env.get('PYTHONPATH', '')}"
    env["TORCHINDUCTOR_CACHE_DIR"] = "/cache/inductor"
    for item in extra:
        name, given, value = item.partition("=")
        env[name] = value if given else os.environ.get(name, "")
    return env


if __name__ == "__main__":
    sys.exit(main())
