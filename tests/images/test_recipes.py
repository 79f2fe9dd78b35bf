"""Which files go into an image, and that a change of any of them is noticed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from images import recipes
from images.recipes import CHECKOUT, Recipe, fingerprint

IMAGES = [recipes.operator(), recipes.trainer("cpu"), recipes.trainer("cuda")]
RECIPE = Recipe("localhost/x:y", "Dockerfile", "final", ("Dockerfile", "code"))
LABELS = {"title", "description", "licenses", "version", "revision"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "code").mkdir()
    (tmp_path / "code/main.py").write_text("print(1)\n")
    return tmp_path


def copied(recipe: Recipe) -> list[str]:
    """The context's paths that the Dockerfile copies, other variants' left out."""
    torch = dict(recipe.build_args).get("TORCH", "cpu")
    other = {"cpu": "trainer-cuda.txt", "cuda": "trainer-cpu.txt"}[torch]
    text = dockerfile(recipe).replace("\\\n", " ")
    lines = re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
    sources = [source for line in lines for source in line.split()[:-1]]
    return [source for source in sources if not source.endswith(other)]


def dockerfile(recipe: Recipe) -> str:
    return (CHECKOUT / recipe.dockerfile).read_text()


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "code/main.py").write_text("print(2)\n"),
        lambda root: (root / "code/more.py").touch(),
        lambda root: (root / "code/main.py").rename(root / "code/other.py"),
        lambda root: (root / "Dockerfile").write_text("FROM debian\n"),
    ],
    ids=["content", "new file", "renamed file", "Dockerfile"],
)
def test_change_of_an_input_changes_the_fingerprint(
    root: Path, change: Callable[[Path], object]
) -> None:
    before = fingerprint(RECIPE, root)
    change(root)
    assert fingerprint(RECIPE, root) != before


def test_compiled_files_do_not_count(root: Path) -> None:
    before = fingerprint(RECIPE, root)
    (root / "code/__pycache__").mkdir()
    (root / "code/__pycache__/main.cpython-313.pyc").write_bytes(b"x")
    assert fingerprint(RECIPE, root) == before


def test_missing_input_is_named(root: Path) -> None:
    (root / "Dockerfile").unlink()
    with pytest.raises(FileNotFoundError, match="Dockerfile is missing"):
        fingerprint(RECIPE, root)


@pytest.mark.parametrize("recipe", IMAGES, ids=lambda recipe: recipe.image)
def test_all_that_is_copied_is_an_input_and_nothing_else_reaches_the_build(recipe: Recipe) -> None:
    rules = (CHECKOUT / ".dockerignore").read_text().splitlines()
    let_in = tuple(rule[1:] for rule in rules if rule.startswith("!"))
    assert rules[0] == "*"
    for source in copied(recipe):
        assert any(Path(source).is_relative_to(path) for path in recipe.inputs), source
        assert source.startswith(let_in), f"{source} is kept out by .dockerignore"


@pytest.mark.parametrize("recipe", IMAGES, ids=lambda recipe: recipe.image)
def test_dockerfile_ends_as_a_numeric_user_with_labels(recipe: Recipe) -> None:
    text = dockerfile(recipe)
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE)[-1] == "10001:10001"
    assert set(re.findall(r"org\.opencontainers\.image\.(\w+)=", text)) == LABELS
