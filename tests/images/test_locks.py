"""The locked requirements: complete, hashed, in step with pyproject.toml, and silent on mirrors."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parents[2]
LOCKS = sorted((CHECKOUT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
EXTRA_OF_LOCK = {"operator.txt": "operator", "trainer-cuda.txt": "trainer", "dev.txt": "dev"}


def entries(lock: Path) -> list[str]:
    """One string a requirement, its hashes included."""
    joined = lock.read_text().replace("\\\n", " ")
    return [line for line in joined.splitlines() if line and not line.lstrip().startswith("#")]


def pins(lock: Path) -> dict[str, str]:
    found = (re.match(r"([\w.-]+)==([\w.!+]+)", entry) for entry in entries(lock))
    return {canonicalize_name(match[1]): match[2] for match in found if match}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_requirement_is_pinned_with_a_hash(lock: Path) -> None:
    assert entries(lock)
    for entry in entries(lock):
        assert re.match(r"[\w.-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_no_index_is_named(lock: Path) -> None:
    assert not re.search(r"index-url|find-links|https?://", lock.read_text())


@pytest.mark.parametrize("name", EXTRA_OF_LOCK)
def test_lock_satisfies_pyproject(name: str) -> None:
    locked = pins(CHECKOUT / "requirements" / name)
    declared = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"][EXTRA_OF_LOCK[name]]]
    for requirement in map(Requirement, declared):
        if requirement.name == PROJECT["name"]:
            continue
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement} is missing: run tools/images/lock"
        assert requirement.specifier.contains(version), f"{requirement} is locked to {version}"


def test_only_the_cuda_trainer_locks_torch() -> None:
    assert [lock.name for lock in LOCKS if "torch" in pins(lock)] == ["trainer-cuda.txt"]
