"""How much memory a container has."""

from pathlib import Path

import pytest

from nerf_trainer import memory

MEMINFO = """\
MemTotal:        8388608 kB
MemFree:          524288 kB
MemAvailable:    6291456 kB
HugePages_Total:       0
"""
HALF_OF_THE_SPARE = 3 << 30


@pytest.mark.parametrize(
    ("v2", "v1", "wanted"),
    [
        ("536870912\n", None, 1 << 29),
        (None, "536870912\n", 1 << 29),
        ("max\n", None, HALF_OF_THE_SPARE),
        (None, "9223372036854771712\n", HALF_OF_THE_SPARE),  # what v1 says without a limit
        (None, None, HALF_OF_THE_SPARE),
    ],
)
def test_the_limit_counts_or_half_of_what_is_spare(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    v2: str | None,
    v1: str | None,
    wanted: int,
) -> None:
    places = {"LIMIT": v2, "LIMIT_V1": v1}
    for name, text in places.items():
        monkeypatch.setattr(memory, name, tmp_path / name)
        if text is not None:
            (tmp_path / name).write_text(text)
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    (tmp_path / "meminfo").write_text(MEMINFO)
    assert memory.usable_memory() == wanted


def test_this_machine_tells_what_it_has() -> None:
    assert 0 < memory._meminfo("MemAvailable") < memory._meminfo("MemTotal")
