"""A folder on a mounted volume, by standard tools: what is there, and how bytes get there.

The image needs a shell, GNU tar, coreutils and findutils. Names are separated by NUL bytes.
"""

import hashlib
import os
import tarfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from nerf_cli.files import LocalFile
from nerf_cli.meter import Meter, MeteredReader, metered
from nerf_cli.shell import Shell
from nerf_contract import names

#: Files on their way, each named by its SHA-256, so that only the same content is continued.
INCOMING = ".nerf/incoming"
Done = Callable[[str], None]


@dataclass(frozen=True)
class Volume:
    """A folder on a volume, made where there is none. shell: where commands see it as `folder`."""

    shell: Shell
    folder: str

    def mark(self) -> int:
        """Tell that files are missing, so that a job waits for them; bytes that there is room for.

        Files that are on their way already need none.
        """
        marker = names.UPLOADING_MARKER
        made = f"mkdir -p {INCOMING} {Path(marker).parent} && : > {marker}"
        output = self._sh(f"{made} && df -P -B1 . | tail -n 1 && du -sB1 {INCOMING}")
        free, incoming = output.splitlines()
        return int(free.split()[3]) + int(incoming.split()[0])

    def unmark(self) -> None:
        """Tell that all is there."""
        self._sh(f"rm -rf {INCOMING} {names.UPLOADING_MARKER}")

    def hashes(self, wanted: Sequence[str], meter: Meter, sizes: dict[str, int]) -> dict[str, str]:
        """SHA-256, in hex, of those of the files that are there. sizes: for the meter."""
        found: dict[str, str] = {}

        def drain(output: IO[bytes]) -> None:
            for record in _records(output):
                digest, _, name = record.partition("  ")
                found[name] = digest
                meter.advance(sizes.get(name, 0))

        # 123 is xargs' word for files that are not there.
        script = "xargs -0 -r sha256sum -z -- 2>/dev/null || [ $? -eq 123 ]"
        self.shell.stream(self._script(script), drain, lambda pipe: _write(pipe, wanted))
        return found

    def listing(self, paths: Iterable[str]) -> dict[str, int]:
        """Size of every file below these paths; of those that are not there, nothing."""
        script = 'for p; do [ ! -e "$p" ] || find "$p" -type f -printf "%s %p\\0"; done'
        records = self._sh(script, *paths).split("\0")
        pairs = (record.split(" ", 1) for record in records if record)
        return {name: int(size) for size, name in pairs}

    def surplus(self, wanted: Iterable[str]) -> list[str]:
        """Files that are there and not among these, but for hidden ones and what jobs write."""
        script = 'find . -name ".?*" -prune -o -type f -printf "%P\\0" 2>/dev/null || :'
        there = {name for name in self._sh(script).split("\0") if name}
        return sorted({name for name in there if _of_a_dataset(name)} - set(wanted))

    def remove(self, unwanted: Iterable[str]) -> None:
        """Delete files."""
        self.shell.run(self._script("xargs -0 -r rm -f --"), lambda pipe: _write(pipe, unwanted))

    def send(self, files: Sequence[LocalFile], meter: Meter) -> None:
        """Write files, whole, in one stream. Raises OSError where one shrinks meanwhile."""

        def feed(pipe: IO[bytes]) -> None:
            with tarfile.open(fileobj=pipe, mode="w|", format=tarfile.GNU_FORMAT) as tar:
                for file in files:
                    with file.path.open("rb") as source:
                        tar.addfile(_member(file), MeteredReader(source, meter))

        self.shell.run(self._script("tar -xf -"), feed)

    def send_large(self, file: LocalFile, digest: str, meter: Meter) -> None:
        """Write one file, from where an earlier attempt was cut off."""
        incoming = f"{INCOMING}/{digest}"
        begin = min(int(self._sh(f"stat -c %s {incoming} 2>/dev/null || echo 0")), file.size)
        meter.advance(begin)

        def feed(pipe: IO[bytes]) -> None:
            with file.path.open("rb") as source:
                source.seek(begin)
                for chunk in metered(source, meter):
                    pipe.write(chunk)

        # At a place, not at the end: a lost connection may still be delivering its last bytes.
        place = f"of={incoming} seek={begin} oflag=seek_bytes conv=notrunc"
        self.shell.run(self._script(f"dd {place} bs=1M status=none"), feed)
        self._sh(f'mkdir -p -- "$(dirname -- "$1")" && mv -f -- {incoming} "$1"', file.name)

    def receive(self, wanted: dict[str, str], into: Path, meter: Meter, done: Done) -> None:
        """Fetch files whose SHA-256 is known to a folder here. Raises OSError.

        Each appears under its name once it is whole and right; `done` is told then.
        """

        def drain(output: IO[bytes]) -> None:
            try:
                with tarfile.open(fileobj=output, mode="r|") as tar:
                    for member in tar:
                        if member.name in wanted and member.isfile():
                            keep(tar, member)
            except tarfile.ReadError:
                pass  # Cut off: the command's exit says why.

        def keep(tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
            source = tar.extractfile(member)
            assert source is not None
            if _write_whole(source, into / member.name, wanted[member.name], meter):
                done(member.name)

        script = "tar -cf - --null --verbatim-files-from -T -"
        self.shell.stream(self._script(script), drain, lambda pipe: _write(pipe, wanted))

    def _sh(self, script: str, *args: str) -> str:
        return os.fsdecode(self.shell.run(self._script(script, *args)))

    def _script(self, script: str, *args: str) -> list[str]:
        whole = f'mkdir -p -- "$0" && cd -- "$0" && {{ {script}; }}'
        return ["sh", "-c", whole, self.folder, *args]


def sha256(path: Path, meter: Meter) -> str:
    """SHA-256 of a file here, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as source:
        for chunk in metered(source, meter):
            digest.update(chunk)
    return digest.hexdigest()


def _of_a_dataset(name: str) -> bool:
    """Not a result of a job that has its checkpoints in the same folder."""
    return PurePosixPath(name).parts[0] not in names.RESULTS


def _member(file: LocalFile) -> tarfile.TarInfo:
    """A file that anybody may read, and that tells nothing of who owns it here."""
    info = tarfile.TarInfo(file.name)
    info.size = file.size
    info.mtime = int(file.path.stat().st_mtime)
    return info


def _write_whole(source: IO[bytes], target: Path, expected: str, meter: Meter) -> bool:
    """Write a file beside its place, and move it there if its SHA-256 is the expected one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    digest = hashlib.sha256()
    try:
        with partial.open("wb") as out:
            for chunk in metered(source, meter):
                digest.update(chunk)
                out.write(chunk)
        if digest.hexdigest() != expected:
            return False
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return True


def _write(pipe: IO[bytes], items: Iterable[str]) -> None:
    for item in items:
        pipe.write(os.fsencode(item) + b"\0")


def _records(output: IO[bytes]) -> Iterable[str]:
    """What lies between NUL bytes, as it comes."""
    rest = b""
    while chunk := output.read1(65536):  # type: ignore[attr-defined]
        *whole, rest = (rest + chunk).split(b"\0")
        yield from (os.fsdecode(record) for record in whole)
