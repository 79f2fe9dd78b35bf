#!/usr/bin/env python3
"""Build the container images and bring them to a cluster. Needs only Python's own library.

examples:
  tools/images/images.py build                       all that the tests and the demo need
  tools/images/images.py build trainer --torch cuda
  tools/images/images.py load local                  into the nodes; also kind and k3s
  tools/images/images.py push ghcr.io/me             to a registry, under the same short names
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from images import deliver, recipes
from images.engine import ensure_image, find_engine

DELIVERED = ("operator", "trainer")
CLUSTERS = ("local", "kind", "k3s")


def main() -> int:
    arguments = parse_arguments()
    try:
        arguments.run(arguments)
    except (RuntimeError, OSError) as error:
        sys.exit(f"images: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"images: failed: {' '.join(map(str, error.cmd))}")
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(required=True, metavar="build|load|push")
    build_verb = verbs.add_parser("build", help="build what is out of date")
    build_verb.add_argument(
        "image", nargs="*", help="operator, trainer, trainer-test; default: all"
    )
    build_verb.set_defaults(run=run_build)
    load_verb = verbs.add_parser("load", help="build, then load into the nodes of a cluster")
    load_verb.add_argument("cluster", choices=CLUSTERS)
    load_verb.set_defaults(run=run_load)
    push_verb = verbs.add_parser("push", help="build, then push to a registry")
    push_verb.add_argument("registry", help="for example registry.example.org:5000/nerf")
    push_verb.set_defaults(run=run_push)
    for verb in (load_verb, push_verb):
        verb.add_argument("image", nargs="*", help="operator, trainer; default: both")
    for verb in (build_verb, load_verb, push_verb):
        verb.add_argument("--torch", choices=("cpu", "cuda"), default="cpu")
        verb.add_argument("--base", choices=("auto", "pull", "debootstrap"), default="auto")
    return parser.parse_args()


def run_build(arguments: argparse.Namespace) -> None:
    build(arguments, (*DELIVERED, "trainer-test"))


def run_load(arguments: argparse.Namespace) -> None:
    deliver.load(find_engine(), build(arguments, DELIVERED), arguments.cluster)


def run_push(arguments: argparse.Namespace) -> None:
    for name in deliver.push(find_engine(), build(arguments, DELIVERED), arguments.registry):
        print(name)


def build(arguments: argparse.Namespace, choices: tuple[str, ...]) -> list[str]:
    """Builds those of `choices` that were asked for and are out of date; returns their names."""
    known = {
        "operator": recipes.operator(),
        "trainer": recipes.trainer(arguments.torch),
        "trainer-test": recipes.trainer_test(arguments.torch),
    }
    for name in arguments.image:
        if name not in choices:
            raise RuntimeError(f"no image is called {name!r}; choose from {', '.join(choices)}")
    wanted = [known[name] for name in arguments.image or choices]
    for recipe in wanted:
        build_one(recipe, arguments.base)
    return [recipe.image for recipe in wanted]


def build_one(recipe: recipes.Recipe, base: str) -> None:
    begin = time.monotonic()
    built = ensure_image(recipe, base)
    outcome = f"built in {time.monotonic() - begin:.0f} s" if built else "up to date"
    print(f"{recipe.image}: {outcome}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
