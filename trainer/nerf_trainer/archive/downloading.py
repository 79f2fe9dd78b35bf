"""Fetching a file whose SHA-256 is known. A download that was cut off goes on where it was."""

import hashlib
import http.client
import logging
from collections.abc import Callable
from pathlib import Path

from nerf_contract.dataset import ArchiveConfig
from nerf_contract.reasons import ARCHIVE_UNREACHABLE
from nerf_trainer.archive.web import Web, invalid, patience, unreachable
from nerf_trainer.failures import TrainerFailure

log = logging.getLogger(__name__)

CHUNK = 1 << 20
#: For a chunk: slower servers are given up, as they might never end.
CHUNK_SECONDS = 120.0
#: Seconds before each further try while nothing comes: five minutes in all, before the pod fails
#: and costs the job one of its attempts.
PAUSES = (2, 4, 8, 16, *(30,) * 9)
#: The activities that are told.
FETCHING, AWAY = "fetching", "waiting for the archive's server"
Tell = Callable[[str, float], None]  # (activity, share of it in [0, 1]) -> None


def download(config: ArchiveConfig, file: Path, web: Web, tell: Tell) -> None:
    """Have the archive in `file`. Raises TrainerFailure, and OSError of the volume."""
    if file.exists() and sha256(file) == config.sha256:
        return
    resumed = file.exists()
    _fetch_patiently(config, file, web, tell)
    found = sha256(file)
    if found != config.sha256 and resumed:  # The rest of another file, perhaps.
        file.unlink()
        _fetch_patiently(config, file, web, tell)
        found = sha256(file)
    if found != config.sha256:
        file.unlink()
        raise invalid(
            f"the file at the url has the SHA-256 {found}, not {config.sha256}. Correct "
            "dataset.archive.sha256 if the file is the right one, else dataset.archive.url"
        )


def _fetch_patiently(config: ArchiveConfig, file: Path, web: Web, tell: Tell) -> None:
    """Fetch; a server that is away is waited for, anew after each time that something came."""
    share = 0.0

    def fetching(activity: str, done: float) -> None:
        nonlocal share
        share = done
        tell(activity, done)

    pauses = iter(PAUSES)
    while True:
        before = _size(file)
        try:
            return _fetch(config, file, web, fetching)
        except TrainerFailure as failure:
            if _size(file) > before:
                pauses = iter(PAUSES)
            pause = next(pauses, None)
            if failure.reason != ARCHIVE_UNREACHABLE or pause is None:
                raise
            log.warning("%s The next try is in %d s.", failure.message, pause)
            tell(AWAY, share)
            web.pause(pause)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _fetch(config: ArchiveConfig, file: Path, web: Web, tell: Tell) -> None:
    start = _size(file)
    with web.get(config.url, {"Range": f"bytes={start}-"} if start else {}) as answer:
        if start and answer.status == 416:
            return  # Nothing is left to send, or the file there is another one.
        if answer.status != 206:
            start = 0
        total, limit = start + (answer.length or 0), config.max_gigabytes * 10**9
        if total > limit:
            raise _too_large(config, file)
        with file.open("r+b" if start else "wb") as out:
            out.seek(start)
            fits = _copy(answer, out.write, start, total, limit, tell)
        if not fits:
            raise _too_large(config, file)


def _copy(
    answer: http.client.HTTPResponse,
    write: Callable[[bytes], int],
    start: int,
    total: int,
    limit: int,
    tell: Tell,
) -> bool:
    """Write what comes; False once that is more than `limit`, whatever the server announced."""
    done = start
    while chunk := _read(answer):
        done += len(chunk)
        if done > limit:
            return False
        write(chunk)
        tell(FETCHING, min(1.0, done / total) if total > start else 0.0)
    if total > start and done < total:
        raise unreachable(f"the connection ended after {done} of {total} bytes")
    return True


def _too_large(config: ArchiveConfig, file: Path) -> Exception:
    """The failure; what came of the file is removed."""
    file.unlink(missing_ok=True)
    return invalid(
        f"the file has more than {config.max_gigabytes} GB. Raise dataset.archive.maxGigabytes if "
        "it is the right one"
    )


def _read(answer: http.client.HTTPResponse) -> bytes:
    if answer.isclosed():  # At the end of the file.
        return b""
    try:
        with patience(answer.fileno(), CHUNK_SECONDS):
            return answer.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise unreachable(f"the connection broke ({error or type(error).__name__})") from error


def sha256(file: Path) -> str:
    """SHA-256 of a file, in hex."""
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()
