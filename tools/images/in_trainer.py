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
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from images import sandbox, storage
from images.docker_run import command_line
from images.engine import image_id
from images.recipes import CHECKOUT

IMAGE = "localhost/nerf-trainer-test:cpu"
PASSED_ON = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TERM", "COLUMNS", "NO_COLOR", "CI")
PASSED_PREFIXES = ("NERF_", "TORCH_LOGS", "PYTEST_", "HYPOTHESIS_", "TORCHELASTIC_")
TRAINER_USER = 10001
#: Where the image keeps it.
INDUCTOR_CACHE = "/tmp/inductor"
IMAGE_PYTHONPATH = "/opt/nerf:/opt/python"


def main() -> int:
    arguments = parse_arguments()
    rootfs = storage.load_rootfs(arguments.image)
    if rootfs is None:
        return run_by_docker(arguments)
    if os.geteuid() != 0:
        sys.exit("in-trainer: mounting the image's root needs root; run it with sudo")
    layers = tuple(rootfs.layers)
    return sandbox.run(describe(arguments, rootfs.env, layers), arguments.command)


def run_by_docker(arguments: argparse.Namespace) -> int:
    if not shutil.which("docker") or image_id("docker", arguments.image) is None:
        sys.exit(f"in-trainer: {arguments.image} is not built; run tools/images/images.py build")
    box = describe(arguments, image_env={}, layers=())
    return subprocess.run(command_line(arguments.image, box, arguments.command)).returncode


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-v", "--volume", action="append", default=[], metavar="HOST:CONTAINER")
    parser.add_argument("-e", "--env", action="append", default=[], metavar="NAME[=VALUE]")
    parser.add_argument("-w", "--workdir", default="/src", help="default: /src, the checkout")
    parser.add_argument("--image", default=IMAGE)
    parser.add_argument("--root", action="store_true", help="run as root, not as user 10001")
    parser.add_argument("--no-cache", action="store_true", help="compile as in a new pod")
    parser.add_argument("--host-network", action="store_true")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def describe(
    arguments: argparse.Namespace, image_env: dict[str, str], layers: tuple[str, ...]
) -> sandbox.Sandbox:
    user = 0 if arguments.root else TRAINER_USER
    binds = [
        sandbox.Bind(CHECKOUT, "/src", writable=False),
        *map(parse_volume, arguments.volume),
    ]
    if not arguments.no_cache:
        binds.append(sandbox.Bind(inductor_cache(user), INDUCTOR_CACHE))
    mounted = {bind.target for bind in binds}
    return sandbox.Sandbox(
        layers=layers,
        scratch=storage.images_cache() / "scratch",
        binds=tuple(binds),
        tmpfs=tuple(path for path in sandbox.WRITABLE if path not in mounted),
        env={**image_env, **environment(arguments.env)},
        user=user,
        cwd=arguments.workdir,
        host_network=arguments.host_network,
    )


def inductor_cache(user: int) -> Path:
    """Compiled kernels outlive the run. One folder a user, as its files are not shared."""
    folder = storage.cache_root() / "inductor" / str(user)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    return folder


def parse_volume(text: str) -> sandbox.Bind:
    source, _, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    if not Path(source).exists() or not target.startswith("/") or mode not in ("", "ro", "rw"):
        sys.exit(f"in-trainer: -v wants HOST:CONTAINER[:ro] with an existing HOST, got {text!r}")
    return sandbox.Bind(Path(source).resolve(), target, writable=mode != "ro")


def environment(extra: list[str]) -> dict[str, str]:
    env = {
        name: value
        for name, value in os.environ.items()
        if name in PASSED_ON or name.startswith(PASSED_PREFIXES)
    }
    env["PYTHONPATH"] = f"/src/contract:/src/trainer:{IMAGE_PYTHONPATH}"
    for item in extra:
        name, given, value = item.partition("=")
        env[name] = value if given else os.environ.get(name, "")
    return env


if __name__ == "__main__":
    sys.exit(main())
