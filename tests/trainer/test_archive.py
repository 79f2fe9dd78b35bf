"""A dataset from the web: the right one, whole, once, and from nowhere inside."""

import gzip
import hashlib
import io
import json
import socket
import ssl
import stat
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tls_server import HOST, Site, make_certificate, serve

from nerf_contract.dataset import ArchiveConfig
from nerf_contract.reasons import ARCHIVE_INVALID, ARCHIVE_UNREACHABLE, DATASET_VOLUME
from nerf_trainer import archive
from nerf_trainer.archive import ensure_unpacked, unpacking
from nerf_trainer.archive.downloading import AWAY, FETCHING, PAUSES
from nerf_trainer.archive.web import Web, is_public
from nerf_trainer.failures import TrainerFailure

FILES = {"scene/a.jpg": b"first" * 1000, "scene/masks/a.png": b"second"}


def zipped(files: dict[str, bytes] = FILES, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as out:
        for name, data in files.items():
            out.writestr(name, data)
    return packed.getvalue()


def tarred(files: dict[str, bytes] = FILES, mode: str = "w:gz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as out:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def special(kind: bytes, target: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as out:
        info = tarfile.TarInfo("scene/odd")
        info.type, info.linkname = kind, target
        out.addfile(info)
    return packed.getvalue()


def with_header(size: int) -> bytes:
    """A small file whose extended header, of a tar, is read at once, and large."""
    packed = io.BytesIO()
    info = tarfile.TarInfo("header")
    info.type, info.size = tarfile.XHDTYPE, size
    with gzip.open(packed, "w") as out:
        out.write(info.tobuf() + bytes(size))
    return packed.getvalue()


def folders(count: int) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as out:
        for i in range(count):
            info = tarfile.TarInfo(str(i))
            info.type = tarfile.DIRTYPE
            out.addfile(info)
    return packed.getvalue()


def damaged(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(255 - byte for byte in data[middle:-8]) + data[-8:]


def zip_with_link() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as out:
        info = zipfile.ZipInfo("scene/link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        out.writestr(info, "/etc/passwd")
    return packed.getvalue()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def site(certificate: Path) -> Iterator[Site]:
    with serve(Site(), certificate) as served:
        yield served


def web(site: Site) -> Web:
    """A web in which the site is public, and all there is."""
    return Web(
        resolve=lambda host, port: ["127.0.0.1"],
        allowed=lambda address: True,
        trust=ssl.create_default_context(cafile=str(site.authority)),
        pause=lambda seconds: None,
    )


def wanted(site: Site, data: bytes, path: str = "/a.zip", gigabytes: int = 1) -> ArchiveConfig:
    site.files[path] = data
    digest = hashlib.sha256(data).hexdigest()
    return ArchiveConfig(url=site.url(path), sha256=digest, max_gigabytes=gigabytes)


def no_tell(activity: str, share: float) -> None:
    assert activity in (FETCHING, AWAY, "unpacking") and 0 <= share <= 1


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and ".nerf" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def failure(config: ArchiveConfig, folder: Path, via: Web) -> TrainerFailure:
    with pytest.raises(TrainerFailure) as caught:
        ensure_unpacked(config, folder, no_tell, via)
    return caught.value


@pytest.mark.parametrize(
    "data",
    [zipped(), tarred(), tarred(mode="w"), tarred(mode="w:xz"), tarred(mode="w:bz2")],
    ids=["zip", "tar.gz", "tar", "tar.xz", "tar.bz2"],
)
def test_files_come_without_their_top_folder(site: Site, tmp_path: Path, data: bytes) -> None:
    folder = tmp_path / "scene"
    ensure_unpacked(wanted(site, data), folder, no_tell, web(site))
    assert content(folder) == {"a.jpg": FILES["scene/a.jpg"], "masks/a.png": b"second"}
    assert {path.name for path in (folder / ".nerf").iterdir()} == {"archive.json", "lock"}


def test_nothing_is_fetched_twice(site: Site, tmp_path: Path) -> None:
    config = wanted(site, zipped())
    for _ in range(2):
        ensure_unpacked(config, tmp_path / "scene", no_tell, web(site))
    assert site.asked == [("/a.zip", None)]


def test_a_download_goes_on_where_it_broke(site: Site, tmp_path: Path) -> None:
    noise = b"".join(hashlib.sha256(bytes([i])).digest() for i in range(200))
    config, folder = wanted(site, zipped({"a.bin": noise})), tmp_path / "scene"
    site.cut = 1000
    ensure_unpacked(config, folder, no_tell, web(site))
    assert site.asked == [("/a.zip", None), ("/a.zip", "bytes=1000-")]
    assert content(folder) == {"a.bin": noise}


def test_a_server_that_is_away_is_waited_for_and_told_of(site: Site, tmp_path: Path) -> None:
    data = zipped()
    config = wanted(site, data)
    site.status["/a.zip"] = 503
    del site.files["/a.zip"]
    told: list[tuple[str, float]] = []
    waited: list[tuple[str, float]] = []

    def pause(seconds: float) -> None:
        waited.append(told[-1])
        if len(waited) == 3:
            site.files["/a.zip"], site.cut = data, 100

    web_ = replace(web(site), pause=pause)
    ensure_unpacked(config, tmp_path / "scene", lambda *word: told.append(word), web_)
    assert waited == [(AWAY, 0.0)] * 3 + [(AWAY, 100 / len(data))]
    assert content(tmp_path / "scene")


def test_patience_begins_anew_with_every_byte_and_ends_without(site: Site, tmp_path: Path) -> None:
    data = zipped()
    config = wanted(site, data)
    site.cut = 100
    paused: list[float] = []

    def pause(seconds: float) -> None:
        paused.append(seconds)
        site.files.pop("/a.zip", None)
        site.status["/a.zip"] = 503

    found = failure(config, tmp_path / "scene", replace(web(site), pause=pause))
    assert found.reason == ARCHIVE_UNREACHABLE
    assert tuple(paused) == PAUSES
    assert sum(PAUSES) >= 300


@pytest.mark.parametrize("moved", [0, 1])
def test_a_pod_killed_while_files_are_moved_goes_on(
    site: Site, tmp_path: Path, moved: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, folder = wanted(site, zipped({"a": b"1", "b": b"2"})), tmp_path / "scene"

    def killed(files: Path, target: Path) -> None:
        for path in sorted(files.iterdir())[:moved]:
            path.rename(target / path.name)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(archive, "_move_into_place", killed)
        ensure_unpacked(config, folder, no_tell, web(site))
    ensure_unpacked(config, folder, no_tell, web(site))
    assert content(folder) == {"a": b"1", "b": b"2"}
    assert len(site.asked) == 1


#: what is wrong -> (the archive, a word of the message)
HARMFUL = {
    "a path that climbs": (zipped({"../evil": b"x"}), "../evil"),
    "a path that climbs inside": (tarred({"a/../../evil": b"x"}), "evil"),
    "an absolute path": (tarred({"/etc/evil": b"x"}), "/etc/evil"),
    "a backslash": (zipped({"..\\evil": b"x"}), "evil"),
    "a symbolic link": (special(tarfile.SYMTYPE, "/etc/passwd"), "link"),
    "a hard link": (special(tarfile.LNKTYPE, "/etc/passwd"), "link"),
    "a device": (special(tarfile.CHRTYPE, ""), "device"),
    "a link in a zip": (zip_with_link(), "link"),
    "no archive": (b"<html>not found</html>", "not a whole"),
    "a torn archive": (tarred()[:-20], "damaged"),
    "a damaged tar.xz": (damaged(tarred(mode="w:xz")), "anew"),
    "a damaged tar.bz2": (damaged(tarred(mode="w:bz2")), "anew"),
    "a damaged tar.gz": (damaged(tarred()), "anew"),
    "a method that could fill the memory": (zipped(method=zipfile.ZIP_BZIP2), "deflate"),
    "nothing": (zipped({}), "no files"),
    "one file twice": (tarred({"a": b"1", "./a": b"2"}), "more than once"),
    "a file that is a folder too": (tarred({"a": b"1", "a/b": b"2"}), "name of another"),
    "a name that no volume takes": (zipped({"x" * 300: b"1"}), "not a path"),
}


@pytest.mark.parametrize("what", HARMFUL)
def test_harm_is_refused_and_leaves_nothing(site: Site, tmp_path: Path, what: str) -> None:
    data, word = HARMFUL[what]
    found = failure(wanted(site, data), tmp_path / "scene", web(site))
    assert found.reason == ARCHIVE_INVALID
    assert word in found.message
    assert content(tmp_path / "scene") == {}
    assert not (tmp_path / "evil").exists()


def test_a_bomb_is_defused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    bomb.write_bytes(zipped({"zeros": bytes(50_000_000)}))
    (tmp_path / "out").mkdir()
    with pytest.raises(TrainerFailure, match="maxGigabytes"):
        unpacking.unpack(bomb, tmp_path / "out", 3_000_000, no_tell)
    assert (tmp_path / "out" / "zeros").stat().st_size <= 3_000_000


@pytest.mark.parametrize(
    "data", [zipped({str(i): b"" for i in range(3)}), folders(3)], ids=["files", "folders"]
)
def test_too_many_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(unpacking, "MAX_FILES", 2)
    assert "more than 2 files" in unpacking_refusal(tmp_path, data)


@pytest.mark.parametrize(
    "data",
    [zipped({f"{i:0500d}": b"" for i in range(100)}), with_header(40_000)],
    ids=["list of files", "extended header"],
)
def test_names_that_would_fill_the_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(unpacking, "CHUNK", 1000)
    monkeypatch.setattr(unpacking, "MAX_READ", 30_000)
    assert "too much room" in unpacking_refusal(tmp_path, data)


def unpacking_refusal(tmp_path: Path, data: bytes) -> str:
    packed = tmp_path / "packed"
    packed.write_bytes(data)
    (tmp_path / "out").mkdir()
    with pytest.raises(TrainerFailure) as caught:
        unpacking.unpack(packed, tmp_path / "out", 1000, no_tell)
    assert caught.value.reason == ARCHIVE_INVALID
    return caught.value.message


def test_another_checksum_is_refused(site: Site, tmp_path: Path) -> None:
    config = wanted(site, zipped())
    other = config.model_copy(update={"sha256": "0" * 64})
    found = failure(other, tmp_path / "scene", web(site))
    assert (found.reason, config.sha256 in found.message) == (ARCHIVE_INVALID, True)
    assert list((tmp_path / "scene/.nerf/archive").iterdir()) == []


def test_files_of_the_users_are_left_alone(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "scene"
    folder.mkdir()
    (folder / "a.jpg").write_text("mine")
    assert "a.jpg" in failure(wanted(site, zipped()), folder, web(site)).message
    assert (folder / "a.jpg").read_text() == "mine"


def test_another_archive_needs_another_folder(site: Site, tmp_path: Path) -> None:
    ensure_unpacked(wanted(site, zipped()), tmp_path / "scene", no_tell, web(site))
    other = wanted(site, zipped({"b": b"b"}), "/b.zip")
    assert "another folder" in failure(other, tmp_path / "scene", web(site)).message


def test_a_volume_that_cannot_be_written_is_told(site: Site, tmp_path: Path) -> None:
    (tmp_path / "scene").write_text("a file in the way")
    assert failure(wanted(site, zipped()), tmp_path / "scene", web(site)).reason == DATASET_VOLUME


# --- The web -------------------------------------------------------------------------------------

INNER = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1"),
    *("0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0"),
    *("fc00::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "2002:0a00:0001::"),
    *("64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "::10.0.0.1", "fec0::1"),
]


@pytest.mark.parametrize("address", INNER)
def test_no_packet_goes_to_an_inner_address(tmp_path: Path, address: str) -> None:
    def never(address: str, port: int) -> socket.socket:
        raise AssertionError(f"a connection to {address}")

    trap = Web(resolve=lambda host, port: ["8.8.8.8", address], connect=never)
    config = ArchiveConfig(url=f"https://{HOST}/a.zip", sha256="0" * 64)
    found = failure(config, tmp_path / "scene", trap)
    assert found.reason == ARCHIVE_INVALID
    assert address in found.message and "PersistentVolumeClaim" in found.message


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_outer_addresses_are_public(address: str) -> None:
    assert is_public(address)


def test_the_address_that_was_checked_is_the_one_that_is_used(site: Site, tmp_path: Path) -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    rebinding = replace(web(site), resolve=lambda host, port: next(answers))
    ensure_unpacked(wanted(site, zipped()), tmp_path / "scene", no_tell, rebinding)
    assert next(answers) == ["10.0.0.1"], "the name was looked up twice"


def test_redirects_are_followed(site: Site, tmp_path: Path) -> None:
    site.redirects["/moved"] = "/a.zip"
    config = wanted(site, zipped()).model_copy(update={"url": site.url("/moved")})
    ensure_unpacked(config, tmp_path / "scene", no_tell, web(site))
    assert content(tmp_path / "scene")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("https://169.254.169.254/latest", "169.254.169.254, which is not a public address"),
        ("https://inner/a.zip", "inner is 10.0.0.1, which is not a public address"),
        ("https://[::1]/a.zip", "::1, which is not a public address"),
        ("http://photos.example/a.zip", "only https is fetched"),
        ("file:///etc/passwd", "only https is fetched"),
        ("https://[", "not an address"),
        ("/moved", "more than 5 redirects"),
    ],
)
def test_redirects_are_checked(site: Site, tmp_path: Path, target: str, words: str) -> None:
    """Only the site's own address counts as public: nothing else may be connected to."""
    names = {HOST: "127.0.0.1", "inner": "10.0.0.1"}

    def connect(address: str, port: int) -> socket.socket:
        assert (address, port) == ("127.0.0.1", site.port)
        return socket.create_connection((address, port), 10)

    strict = replace(
        web(site),
        resolve=lambda host, port: [names.get(host, host)],
        allowed=lambda address: address == "127.0.0.1" or is_public(address),
        connect=connect,
    )
    site.redirects["/moved"] = target
    config = ArchiveConfig(url=site.url("/moved"), sha256="0" * 64)
    found = failure(config, tmp_path / "scene", strict)
    assert found.reason == ARCHIVE_INVALID
    assert words in found.message


def small(config: ArchiveConfig, data: bytes) -> ArchiveConfig:
    """The same with room for these bytes only."""
    return config.model_copy(update={"max_gigabytes": len(data) / 10**9})


def endless(head: bytes = b"HTTP/1.0 200 OK\r\n\r\n") -> Iterator[bytes]:
    yield head
    while True:
        yield bytes(100_000)


def trickle(head: bytes = b"") -> Iterator[bytes]:
    """Never a pause that a socket's timeout would see, and never an end."""
    yield b"HTTP/1.0 200 OK\r\n" + head
    while True:
        yield b"x"
        threading.Event().wait(0.02)


def test_a_file_without_end_is_refused_and_leaves_nothing(site: Site, tmp_path: Path) -> None:
    config = small(wanted(site, bytes(250_000), "/a.zip"), bytes(250_000))
    site.streams["/a.zip"] = endless
    found = failure(config, tmp_path / "scene", web(site))
    assert (found.reason, "maxGigabytes" in found.message) == (ARCHIVE_INVALID, True)
    assert list((tmp_path / "scene/.nerf/archive").iterdir()) == []


def test_a_file_that_is_announced_as_too_large_is_not_begun(site: Site, tmp_path: Path) -> None:
    config = small(wanted(site, zipped()), b"few")
    assert "maxGigabytes" in failure(config, tmp_path / "scene", web(site)).message
    assert list((tmp_path / "scene/.nerf/archive").iterdir()) == []


@pytest.mark.parametrize("head", [b"", b"\r\n"], ids=["head", "content"])
def test_a_server_that_trickles_is_given_up(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    monkeypatch.setattr("nerf_trainer.archive.web.HEAD_SECONDS", 1.0 if not head else 60.0)
    monkeypatch.setattr("nerf_trainer.archive.downloading.CHUNK_SECONDS", 0.2)
    site.streams["/a.zip"] = partial(trickle, head)
    found = failure(wanted(site, zipped()), tmp_path / "scene", web(site))
    assert (found.reason, "too slow" in found.message) == (ARCHIVE_UNREACHABLE, True)


def test_a_length_that_cuts_the_file_short(site: Site, tmp_path: Path) -> None:
    site.lengths["/a.zip"] = "10"
    found = failure(wanted(site, zipped()), tmp_path / "scene", web(site))
    assert (found.reason, "SHA-256" in found.message) == (ARCHIVE_INVALID, True)


@pytest.mark.parametrize("length", ["999999", "many"])
def test_a_wrong_length_does_not_matter_where_the_file_is_the_right_one(
    site: Site, tmp_path: Path, length: str
) -> None:
    site.lengths["/a.zip"] = length
    ensure_unpacked(wanted(site, zipped()), tmp_path / "scene", no_tell, web(site))


def test_letters_of_any_language_in_an_address(site: Site, tmp_path: Path) -> None:
    config = wanted(site, zipped(), "/K%C3%BCche.zip?a=b%20c")
    config = config.model_copy(update={"url": site.url("/K\u00fcche.zip?a=b%20c")})
    ensure_unpacked(config, tmp_path / "scene", no_tell, web(site))


def test_a_name_that_is_none(tmp_path: Path) -> None:
    config = ArchiveConfig(url="https://photos..example/a.zip", sha256="0" * 64)
    assert "not a host's name" in failure(config, tmp_path / "scene", Web()).message


@pytest.mark.parametrize(
    ("status", "reason"),
    [(404, ARCHIVE_INVALID), (403, ARCHIVE_INVALID), (503, ARCHIVE_UNREACHABLE)],
)
def test_answers_that_are_no_file(site: Site, tmp_path: Path, status: int, reason: str) -> None:
    site.status["/gone"] = status
    config = wanted(site, zipped()).model_copy(update={"url": site.url("/gone")})
    found = failure(config, tmp_path / "scene", web(site))
    assert (found.reason, str(status) in found.message) == (reason, True)


def test_an_unknown_name_is_tried_again(tmp_path: Path) -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    config = ArchiveConfig(url=f"https://{HOST}/a.zip", sha256="0" * 64)
    found = failure(config, tmp_path / "scene", Web(resolve=unknown, pause=lambda _: None))
    assert (found.reason, HOST in found.message) == (ARCHIVE_UNREACHABLE, True)


def test_a_certificate_of_nobody_is_refused(site: Site, tmp_path: Path) -> None:
    stranger = replace(web(site), trust=ssl.create_default_context())
    found = failure(wanted(site, zipped()), tmp_path / "scene", stranger)
    assert found.reason == ARCHIVE_INVALID
    assert "certificate" in found.message and "claimName" in found.message


def test_a_certificate_for_another_name_is_refused(site: Site, tmp_path: Path) -> None:
    config = wanted(site, zipped())
    other = config.model_copy(update={"url": config.url.replace(HOST, "other.example")})
    found = failure(other, tmp_path / "scene", web(site))
    assert found.reason == ARCHIVE_INVALID
    assert "certificate of other.example" in found.message


def test_the_record_tells_the_archive(site: Site, tmp_path: Path) -> None:
    config = wanted(site, zipped())
    ensure_unpacked(config, tmp_path / "scene", no_tell, web(site))
    record = json.loads((tmp_path / "scene/.nerf/archive.json").read_text())
    assert record == {"sha256": config.sha256, "complete": True}
