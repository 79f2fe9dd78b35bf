"""The cache key of a build, and the progress shown while it runs."""

from pathlib import Path

import pytest

from localkube.build import progress, source_hash


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    (tmp_path / "main.go").write_text("package main")
    (tmp_path / "go.mod").write_text("module m")
    return tmp_path


def test_the_same_sources_have_the_same_hash(sources: Path) -> None:
    assert source_hash(sources) == source_hash(sources)


def test_any_change_of_a_source_changes_the_hash(sources: Path) -> None:
    before = source_hash(sources)
    (sources / "main.go").write_text("package main // changed")
    changed = source_hash(sources)
    (sources / "main.go").rename(sources / "other.go")
    assert len({before, changed, source_hash(sources)}) == 3


def test_progress_counts_modules_and_packages() -> None:
    log = "go: downloading a v1\ngo: downloading b v1\nexample.org/a\n"
    assert progress(log) == "2 modules fetched, 1 packages compiled"
