"""A checkpoint's manifest and the ledger, written by whoever has the volume."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from hostile import DEEP, HUGE, fuzzed, mutated, texts
from hypothesis import example, given

from nerf_contract.progress import CheckpointInfo
from nerf_trainer import manifest as manifests
from nerf_trainer.ledger import Account
from nerf_trainer.ledger_file import Kept, LedgerFile
from nerf_trainer.manifest import Notes, TornCheckpointError

MANIFEST = dict(manifests.create(3, b"state", {"training.seed": 0}, Notes(2, 28.5, 27.0)))


def signed(document: Any) -> bytes:
    """With a checksum that holds, as one who wants to do harm would write it."""
    if not isinstance(document, dict):
        return json.dumps(document).encode()
    rest = {key: value for key, value in document.items() if key != "manifestSha256"}
    return json.dumps(rest | {"manifestSha256": manifests._checksum(rest)}).encode()


def check(data: bytes) -> None:
    """It is torn, or holds all that a reader takes from it."""
    try:
        found = manifests.read(data)
        manifests.check(b"state", found)
    except TornCheckpointError as torn:
        assert str(torn)
        return
    assert isinstance(found["identity"], dict) and isinstance(found["step"], int)
    assert isinstance(manifests.notes_of(found).rank, float)
    # What is told of the checkpoint that is resumed.
    assert CheckpointInfo(step=found["step"], time=found["time"])
    assert isinstance(datetime.fromisoformat(found["time"]).timestamp(), float)


@fuzzed
@given(texts(MANIFEST))
@example(DEEP)
@example(b"9" * 10_000)
def test_a_manifest_is_whole_or_torn(data: bytes) -> None:
    check(data)


@fuzzed
@given(mutated(MANIFEST))
@example({"format": 1})
@example(MANIFEST | {"notes": {"score": "high"}})
@example(MANIFEST | {"notes": {"score": HUGE}})
@example(MANIFEST | {"notes": []})
@example(MANIFEST | {"identity": None})
@example(MANIFEST | {"step": -1})
@example(MANIFEST | {"step": HUGE})
@example(MANIFEST | {"time": "yesterday"})
@example(MANIFEST | {"time": "2026-01-01"})
@example(MANIFEST | {"time": "0001-01-01T00:00:00"})
@example(MANIFEST | {"time": "2026-01-01\ud80000:00:00Z"})
@example(MANIFEST | {"time": "2026-01-01T00:00:00." + "0" * 60 + "Z"})
def test_a_checksum_that_holds_makes_no_manifest(document: Any) -> None:
    check(signed(document))


ACCOUNT = {"seconds": {"training": 3.0}, "rays": 100, "speeds": {"2": 50.0}}
LEDGER = {"run": "uid", "ended": False, "time": 1.0, "account": ACCOUNT}


def test_a_ledger_is_taken_over_or_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "ledger.json"

    @fuzzed
    @given(texts(LEDGER))
    @example(DEEP)
    @example(json.dumps(LEDGER | {"time": HUGE}).encode())
    def run(data: bytes) -> None:
        file.write_bytes(data)
        found = LedgerFile(file, "uid").read()
        assert found is None or (isinstance(found, Kept) and isinstance(found.account, Account))

    run()
