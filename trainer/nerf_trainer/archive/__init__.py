"""A dataset from the web: fetched, checked, unpacked, and put in place once.

    <dataset>/.nerf/archive/<sha256>   the file, or as much of it as has come
    <dataset>/.nerf/archive/files/     what is unpacked of it
    <dataset>/.nerf/archive.json       which archive the dataset comes from, and whether all of it
                                       is in place

A pod that is killed goes on where it was. Files that lie in the folder already are never touched.
"""

import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

from nerf_contract.dataset import ArchiveConfig
from nerf_contract.reasons import ARCHIVE_UNREACHABLE, DATASET_VOLUME
from nerf_trainer.archive.downloading import Tell, download
from nerf_trainer.archive.unpacking import unpack
from nerf_trainer.archive.web import Web, invalid
from nerf_trainer.failures import TrainerFailure
from nerf_trainer.files import locked, write_atomically

log = logging.getLogger(__name__)

WORK = ".nerf/archive"
TOP = "top"
RECORD = ".nerf/archive.json"


def require_in_place(config: ArchiveConfig, folder: Path) -> None:
    """Raises TrainerFailure where the archive's files are not in `folder`."""
    record = _record(folder)
    if not (record.get("complete") and record.get("sha256") == config.sha256):
        raise TrainerFailure(
            ARCHIVE_UNREACHABLE,
            f"dataset.archive: it is not in {folder} any more. Delete the job and create it again; "
            "without Kubernetes, run python3 -m nerf_trainer.download.",
        )


def ensure_unpacked(
    config: ArchiveConfig, folder: Path, tell: Tell, web: Web | None = None
) -> None:
    """Have the archive's files in `folder`.

    Raises TrainerFailure: ArchiveInvalid, ArchiveUnreachable or DatasetVolumeUnusable.
    """
    try:
        with locked(folder):
            _ensure(config, folder, tell, web or Web())
    except OSError as error:
        raise TrainerFailure(
            DATASET_VOLUME,
            f"{folder}: the archive cannot be written there ({error.strerror}). The volume must be "
            "writable, and large enough for the archive and what it holds.",
        ) from error


def _ensure(config: ArchiveConfig, folder: Path, tell: Tell, web: Web) -> None:
    work, record = folder / WORK, _record(folder)
    if record.get("sha256", config.sha256) != config.sha256:
        raise invalid(
            f"{folder} holds another archive already (SHA-256 {record['sha256']}). Let "
            "dataset.path name another folder"
        )
    if record.get("complete"):
        log.info("the archive is there already")
        return
    work.mkdir(parents=True, exist_ok=True)
    if not record:
        _unpack(config, work, web, tell)
        _check_room(work / "files", folder)
        _write_record(folder, config, complete=False)
    _move_into_place(work / "files", folder)
    os.sync()  # All files, before the record says that they are there.
    shutil.rmtree(work)
    _write_record(folder, config, complete=True)
    log.info("the archive is unpacked in %s", folder)


def _unpack(config: ArchiveConfig, work: Path, web: Web, tell: Tell) -> None:
    packed, files = work / config.sha256, work / "files"
    download(config, packed, web, tell)
    for left in (files, files.with_name(TOP)):
        shutil.rmtree(left, ignore_errors=True)
    files.mkdir()
    try:
        unpack(packed, files, config.max_gigabytes * 10**9, tell)
    except TrainerFailure:
        shutil.rmtree(work)
        raise
    _strip_top_folder(files)


def _strip_top_folder(files: Path) -> None:
    """Most archives hold one folder, with everything in it."""
    entries = list(files.iterdir())
    if len(entries) == 1 and entries[0].is_dir():
        top = entries[0].rename(files.with_name(TOP))
        files.rmdir()
        top.rename(files)


def _check_room(files: Path, folder: Path) -> None:
    there = {path.name for path in folder.iterdir()}
    taken = sorted(path.name for path in files.iterdir() if path.name in there)
    if taken:
        shutil.rmtree(folder / WORK)
        raise invalid(
            f"{folder} holds {taken[0]} already, which is not from this archive. Let dataset.path "
            "name an empty folder"
        )


def _move_into_place(files: Path, folder: Path) -> None:
    for path in files.iterdir() if files.exists() else ():
        path.rename(folder / path.name)


def _record(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / RECORD).read_text())
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise invalid(f"{folder / RECORD} is broken. Remove the folder {folder}")
    return found


def _write_record(folder: Path, config: ArchiveConfig, complete: bool) -> None:
    record = {"sha256": config.sha256, "complete": complete}
    write_atomically(folder / RECORD, json.dumps(record).encode())
