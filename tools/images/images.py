#!/usr/bin/env python3
"""Build the container images and bring them to a cluster. Needs only Python's own library.

    tools/images/images.py build                    everything that `make test` and `make demo` need
    tools/images/images.py build trainer --torch cuda
    tools/images/images.py load local|kind|k3s      into the nodes of a cluster
    tools/images/images.py push ghcr.io/me          to a registry, under the same short names
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from images import deliver, recipes  # noqa: E402
from images.engine import ensure_image, find_engine  # noqa: E402

DELIVERED = ("operator", "trainer")
KINDS = (*DELIVERED, "trainer-test")
CLUSTERS = ("local", "kind", "k3s")


def main() -> int:
    arguments = parse_arguments()
    try:
        arguments.run(arguments)
    except (RuntimeError, FileNotFoundError, PermissionError) as error:
        sys.exit(f"images: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"images: failed: {' '.join(map(str, error.cmd))}")
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    add_verb(verbs, "build", run_build, KINDS)
    load = add_verb(verbs, "load", run_load, DELIVERED)
    load.add_argument("cluster", choices=CLUSTERS)
    push = add_verb(verbs, "push", run_push, DELIVERED)
    push.add_argument("registry", help="for example ghcr.io/me or registry.example.org:5000/nerf")
    return parser.parse_args()


def add_verb(verbs, name, run, kinds) -> argparse.ArgumentParser:  # type: ignore[no-untyped-def]
    verb: argparse.ArgumentParser = verbs.add_parser(name)
    verb.set_defaults(run=run)
    if name == "build":
        verb.add_argument("only", nargs="*", metavar="|".join(kinds), help="default: all")
    else:
        verb.add_argument("--only", nargs="*", default=[], choices=kinds, help="default: all")
    verb.add_argument("--torch", choices=("cpu", "cuda"), default="cpu")
    verb.add_argument("--base", choices=("auto", "pull", "debootstrap"), default="auto")
    verb.set_defaults(kinds=kinds)
    return verb


def run_build(arguments: argparse.Namespace) -> None:
    unknown = set(arguments.only) - set(KINDS)
    if unknown:
        raise RuntimeError(f"no such image: {', '.join(unknown)}; there are {', '.join(KINDS)}")
    build(arguments)


def build(arguments: argparse.Namespace) -> list[str]:
    """Builds what is asked for and out of date; returns the images' names."""
    chosen = arguments.only or arguments.kinds
    wanted = [recipe_of(kind, arguments.torch) for kind in chosen]
    for recipe in wanted:
        begin = time.monotonic()
        built = ensure_image(recipe, arguments.base)
        seconds = time.monotonic() - begin
        print(f"{recipe.image}: {f'built in {seconds:.0f} s' if built else 'up to date'}", flush=True)
    return [recipe.image for recipe in wanted]


def recipe_of(kind: str, torch: str) -> recipes.Recipe:
    if kind == "operator":
        return recipes.operator()
    return recipes.trainer(torch) if kind == "trainer" else recipes.trainer_test(torch)


def run_load(arguments: argparse.Namespace) -> None:
    deliver.load(find_engine(), build(arguments), arguments.cluster)


def run_push(arguments: argparse.Namespace) -> None:
    for name in deliver.push(find_engine(), build(arguments), arguments.registry):
        print(name)


if __name__ == "__main__":
    sys.exit(main())
