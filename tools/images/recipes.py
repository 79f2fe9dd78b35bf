"""The images of this project: which files go in, and what they are called."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
NEVER_INPUT = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"}


@dataclass(frozen=True)
class Recipe:
    """One image: a stage of a Dockerfile, and the files that decide what comes out."""

    image: str
    dockerfile: str
    target: str
    inputs: tuple[str, ...]
    build_args: tuple[tuple[str, str], ...] = ()


def trainer(torch: str) -> Recipe:
    return Recipe(
        image=f"localhost/nerf-trainer:{torch}",
        dockerfile="Dockerfile.trainer",
        target="trainer",
        inputs=(*_trainer_base(torch), "LICENSE", "contract", "trainer"),
        build_args=(("TORCH", torch),),
    )


def trainer_test(torch: str) -> Recipe:
    """The trainer's surroundings plus pytest. Its code comes from the checkout when it runs."""
    return Recipe(
        image=f"localhost/nerf-trainer-test:{torch}",
        dockerfile="Dockerfile.trainer",
        target="test",
        inputs=_trainer_base(torch),
        build_args=(("TORCH", torch),),
    )


def operator() -> Recipe:
    return Recipe(
        image="localhost/nerf-operator:dev",
        dockerfile="Dockerfile.operator",
        target="operator",
        inputs=(
            "Dockerfile.operator",
            "requirements/operator.txt",
            "pyproject.toml",
            "LICENSE",
            "contract",
            "operator",
        ),
    )


def _trainer_base(torch: str) -> tuple[str, ...]:
    return (
        "Dockerfile.trainer",
        "tools/images/dpkg-excludes",
        f"requirements/trainer-{torch}.txt",
        "pyproject.toml",
    )


def fingerprint(recipe: Recipe, root: Path = CHECKOUT) -> str:
    """A hash of the recipe and of the content of all its inputs.

    Raises FileNotFoundError naming an input that is missing.
    """
    digest = hashlib.sha256(json.dumps(asdict(recipe)).encode())
    for path in _files(root, recipe.inputs):
        digest.update(f"{path.relative_to(root)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files(root: Path, inputs: Iterable[str]) -> Iterator[Path]:
    for name in inputs:
        path = root / name
        if not path.exists():
            raise FileNotFoundError(f"{name} is missing from the checkout")
        if path.is_file():
            yield path
        else:
            yield from sorted(p for p in path.rglob("*") if p.is_file() and _counts(p))


def _counts(path: Path) -> bool:
    return not NEVER_INPUT & set(path.parts) and path.suffix != ".pyc"
