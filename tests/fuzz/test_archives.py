"""An archive of a stranger: plain files below one folder, no more than is meant, or a failure."""

import io
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hostile import damaged, fuzzed
from hypothesis import example, given
from hypothesis import strategies as st

from nerf_contract.reasons import ARCHIVE_INVALID
from nerf_trainer.archive.unpacking import unpack
from nerf_trainer.failures import TrainerFailure

LIMIT = 100_000
NAMES = (
    *(
        "a.jpg",
        "scene/b.jpg",
        "../out.jpg",
        "/etc/out.jpg",
        "a/../../out",
        "",
        ".",
        "..",
        "/",
        "//",
    ),
    *("a" * 300, "a/" * 400, "a\0b", "a\nb", "C:\\out", "..\\out", "\udcff", "é.jpg", ".nerf/x"),
    *("scene", "scene/", "a.jpg/b", "CON", "a.jpg ", "~/x", "-rf", "$(id)"),
)
names = st.one_of(st.sampled_from(NAMES), st.text(max_size=20))
KINDS = (
    *(tarfile.REGTYPE, tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE),
    *(tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE, tarfile.CONTTYPE, b"?"),
)
entries = st.lists(
    st.tuples(names, st.sampled_from(KINDS), st.sampled_from(NAMES), st.binary(max_size=64)),
    min_size=1,
    max_size=5,
)
Entries = list[tuple[str, bytes, str, bytes]]


def tarred(entries: Entries) -> bytes:
    """A tar file with these names, kinds, targets and contents."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as out:
        for name, kind, target, data in entries:
            info = tarfile.TarInfo(name.encode(errors="replace").decode())
            info.type, info.linkname = kind, target
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def zipped(entries: Entries) -> bytes:
    """The same as a zip file; links by the mode that Unix tools write."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
        for name, kind, target, data in entries:
            info = zipfile.ZipInfo(name.encode(errors="replace").decode() or "x")
            link = kind in (tarfile.SYMTYPE, tarfile.LNKTYPE)
            info.external_attr = (stat.S_IFLNK if link else stat.S_IFREG) << 16
            out.writestr(info, target.encode(errors="replace") if link else data)
    return packed.getvalue()


PLAIN: Entries = [("a.jpg", tarfile.REGTYPE, "", b"a"), ("b.jpg", tarfile.REGTYPE, "", b"b" * 99)]
packed = st.one_of(
    entries.map(tarred),
    entries.map(zipped),
    damaged(tarred(PLAIN)),
    damaged(zipped(PLAIN)),
    st.binary(max_size=100),
)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_plain_files_below_the_folder_or_a_failure(tmp_path: Path) -> None:
    file, inside = tmp_path / "packed", tmp_path / "room" / "files"

    @fuzzed
    @given(packed)
    @example(tarred([("a", tarfile.SYMTYPE, "/etc", b""), ("a/b", tarfile.REGTYPE, "", b"x")]))
    @example(zipped([("../../out", tarfile.REGTYPE, "", b"x")]))
    @example(zipped(PLAIN)[1:])  # Its first file begins before the archive.
    @example(zipped(PLAIN).replace(b"a.jpg", b"\0.jpg"))  # Names end at a zero.
    def run(data: bytes) -> None:
        shutil.rmtree(inside, ignore_errors=True)
        inside.mkdir(parents=True)
        file.write_bytes(data)
        try:
            unpack(file, inside, LIMIT, lambda activity, share: None)
        except TrainerFailure as failure:
            assert failure.reason == ARCHIVE_INVALID
        made = [path for path in tmp_path.rglob("*") if path not in (file, inside, inside.parent)]
        assert all(path.is_relative_to(inside) and not path.is_symlink() for path in made)
        assert all(path.is_dir() or stat.S_ISREG(path.stat().st_mode) for path in made)
        assert sum(path.stat().st_size for path in made if path.is_file()) <= LIMIT

    run()
