"""How much memory a container has."""

from pathlib import Path

import pytest

from nerf_trainer import memory


@pytest.mark.parametrize(
    ("v2", "v1", "wanted"),
    [
        ("536870912\n", None, 1 << 29),
        (None, "536870912\n", 1 << 29),
        ("max\n", None, None),
        (None, "9223372036854771712\n", None),  # what v1 says without a limit
        (None, None, None),
    ],
)
def test_the_limit_counts_where_there_is_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    v2: str | None,
    v1: str | None,
    wanted: int | None,
) -> None:
    places = {"LIMIT": v2, "LIMIT_V1": v1}
    for name, text in places.items():
        monkeypatch.setattr(memory, name, tmp_path / name)
        if text is not None:
            (tmp_path / name).write_text(text)
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert memory.usable_memory() == pytest.approx(wanted or total, rel=0.01)
