"""Finding the cgroup hierarchies of a machine."""

from pathlib import Path

import pytest

from localkube.cgroups import hierarchies, is_unified


@pytest.fixture
def hybrid(tmp_path: Path) -> Path:
    for name in ("cpu,cpuacct", "memory", "unified"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").touch()
    (tmp_path / "cpu").symlink_to("cpu,cpuacct")
    (tmp_path / "not-mounted").mkdir()
    return tmp_path


def test_the_hybrid_layout_has_each_hierarchy_once(hybrid: Path) -> None:
    assert not is_unified(hybrid)
    assert [path.name for path in hierarchies(hybrid)] == ["cpu,cpuacct", "memory", "unified"]


def test_cgroup_v2_is_one_hierarchy(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    (tmp_path / "system.slice").mkdir()
    assert is_unified(tmp_path)
    assert hierarchies(tmp_path) == [tmp_path]
