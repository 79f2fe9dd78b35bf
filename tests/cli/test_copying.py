"""Copies end with both sides the same, whatever is cut off; real tar, dd and sha256sum work here.

In place of `kubectl exec` stands a script: its connection is lost where a test wants that.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nerf_cli import copying, persistence, uploading
from nerf_cli.errors import UserError
from nerf_cli.files import LocalFile, walk
from nerf_cli.shell import ConnectionLostError, Shell
from nerf_cli.volume import INCOMING, Volume
from nerf_contract import names

LARGE = 200_000
#: Runs a command as kubectl does. Each line of `cuts` is a number of bytes, after which the
#: connection of one transfer is lost; with an `!` its input just ends there.
EXEC = """\
cuts=$1; shift
case "$3" in *'tar -'*|*'dd of'*) cut=$(head -n 1 "$cuts"); sed -i 1d "$cuts" ;; esac
if [ -z "$cut" ]; then
  "$@" || { code=$?; echo "command terminated with exit code $code" >&2; exit $code; }
elif [ "${cut%!}" != "$cut" ]; then head -c "${cut%!}" | "$@"
else case "$3" in
  *'tar -c'*) "$@" | head -c "$cut"; exit 1 ;;
  *) head -c "$cut" | "$@" 2>/dev/null; exit 1 ;;
esac; fi
"""


@dataclass
class Told:
    """A meter and a `say` that remember. done: bytes of each activity."""

    lines: list[str] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    pauses: list[float] = field(default_factory=list)
    activity: str = ""

    def begin(self, activity: str, total: int) -> None:
        self.activity = activity

    def advance(self, count: int) -> None:
        self.done[self.activity] = self.done.get(self.activity, 0) + count


@dataclass
class Sides:
    """A folder here, and one on a volume."""

    here: Path
    there: Path
    cuts: Path
    told: Told = field(default_factory=Told)

    def cut_after(self, *sizes: int | str) -> None:
        self.cuts.write_text("".join(f"{size}\n" for size in sizes))

    def open(self) -> Volume:
        return Volume(Shell(("sh", "-c", EXEC, "exec", str(self.cuts))), str(self.there))

    def upload(self, others: copying.Others = "tell") -> copying.Copied:
        files, _ = walk(self.here)
        told = self.told
        return copying.upload(
            *(files, self.open, told, told.lines.append, told.pauses.append),
            large=LARGE,
            others=others,
        )

    def download(self, *paths: str) -> tuple[copying.Copied, list[str]]:
        told = self.told
        return copying.download(
            paths, self.here, self.open, told, told.lines.append, told.pauses.append
        )


@pytest.fixture
def sides(tmp_path: Path) -> Sides:
    here, there, cuts = tmp_path / "here", tmp_path / "there" / "scene", tmp_path / "cuts"
    here.mkdir()
    cuts.write_text("")
    return Sides(here, there, cuts)


def fill(root: Path, *extra: str) -> None:
    """Ten small files, one large, and some with names of their own."""
    for number, name in enumerate([*(f"p{i}.jpg" for i in range(10)), *extra]):
        write(root / name, 30_000, number)
    write(root / "video.mp4", 3 * LARGE, 99)


def write(path: Path, size: int, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(hashlib.shake_256(str(seed).encode()).digest(size))


def contents(root: Path) -> dict[str, bytes]:
    found = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def test_odd_names_and_empty_files_arrive_and_can_be_read_by_all(sides: Sides) -> None:
    odd = ("images/a b\tc.jpg", "ü/новое.jpg", "-rf", "back\\slash'\"$x.jpg", "x" * 120 + ".jpg")
    fill(sides.here, *odd)
    (sides.here / "empty").touch(0o600)
    (sides.here / "line\nbreak.jpg").write_bytes(b"x")
    copied = sides.upload()
    assert contents(sides.there) == contents(sides.here)
    assert (copied.files, copied.present) == (len(contents(sides.here)), 0)
    assert (sides.there / "empty").stat().st_mode & 0o777 == 0o644


def test_only_what_is_missing_or_different_is_sent_again(sides: Sides) -> None:
    fill(sides.here)
    sides.upload()
    write(sides.here / "new.jpg", 500, 1)
    write(sides.there / "p3.jpg", 30_000, 1000)
    (sides.there / "p4.jpg").write_bytes(b"half")
    (sides.there / "kept by others").write_text("x")
    sides.told = Told()
    copied = sides.upload()
    assert (copied.files, copied.size, copied.present) == (3, 60_500, 9)
    assert sides.told.done["sending"] == 60_500
    assert (sides.there / "kept by others").exists()
    again = sides.upload()
    assert (again.files, again.size, again.present) == (0, 0, 12)
    assert not (sides.there / ".nerf/uploading").exists()


def test_files_that_are_gone_here_are_told_and_deleted_only_if_asked(sides: Sides) -> None:
    fill(sides.here, "images/-rf")
    kept = (".nerf/poses/0/transforms.json", "renders/view_000.png", "metrics.json", "a/.b/c.jpg")
    for name in kept:
        write(sides.there / name, 10, 1)
    assert sides.upload().surplus == ()
    for name in ("p3.jpg", "images/-rf"):
        (sides.here / name).unlink()
    (sides.there / "line\nbreak.jpg").write_bytes(b"x")
    gone = ("images/-rf", "line\nbreak.jpg", "p3.jpg")
    copied = sides.upload()
    assert (copied.surplus, copied.removed) == (gone, False)
    assert all((sides.there / name).exists() for name in gone)
    words = uploading.told_surplus(copied)
    assert "3 files are there" in words and "p3.jpg" in words and "--delete" in words
    copied = sides.upload("delete")
    assert (copied.surplus, copied.removed) == (gone, True)
    assert "deleted 3 files" in uploading.told_surplus(copied)
    assert contents(sides.there).keys() == {*contents(sides.here), *kept}


def test_where_others_are_refused_nothing_is_sent_beside_them(sides: Sides) -> None:
    fill(sides.here)
    write(sides.there / "renders/view_000.png", 10, 1)
    write(sides.there / "of another scene.jpg", 10, 1)
    before = contents(sides.there)
    with pytest.raises(copying.SurplusError) as caught:
        sides.upload("refuse")
    assert caught.value.names == ("of another scene.jpg",)
    words = uploading.refused(caught.value, uploading.Target("photos", "images"))
    assert words.startswith(
        "Other files than those of the folder are in images on the claim photos,"
    )
    assert "of another scene.jpg. Give --delete" in words and "--name" in words
    assert contents(sides.there) == before
    (sides.there / "of another scene.jpg").unlink()
    assert sides.upload("refuse").files == 11


def test_files_are_deleted_before_a_job_is_let_in(sides: Sides) -> None:
    fill(sides.here)
    write(sides.there / "old.jpg", 10, 1)
    seen: list[bool] = []
    original = Volume.unmark

    def unmark(self: Volume) -> None:
        seen.append((sides.there / "old.jpg").exists())
        original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Volume, "unmark", unmark)
        sides.upload("delete")
    assert seen == [False]


def test_a_lost_connection_is_opened_again_and_goes_on(sides: Sides) -> None:
    fill(sides.here)
    # In the third small file, then twice in the large one.
    sides.cut_after(90_000, 0, LARGE, LARGE // 2)
    copied = sides.upload()
    assert contents(sides.there) == contents(sides.here)
    assert copied.files == 11
    assert len(sides.told.lines) == 4
    assert not (sides.there / ".nerf/uploading").exists()


def test_a_large_file_goes_on_where_it_was_cut_off(sides: Sides) -> None:
    write(sides.here / "video.mp4", 3 * LARGE, 99)
    digest = hashlib.sha256((sides.here / "video.mp4").read_bytes()).hexdigest()
    half = (sides.here / "video.mp4").read_bytes()[: 2 * LARGE]
    sides.there.mkdir(parents=True)
    write(sides.there / INCOMING / "of another file", 10, 1)
    (sides.there / INCOMING / digest).write_bytes(half)
    # Enough for the rest of the file, and for no more.
    sides.cut_after(f"{LARGE}!")
    sides.upload()
    assert sides.told.done["checking"] == 3 * LARGE, "it was right after one round"
    assert contents(sides.there) == contents(sides.here)


def test_the_marker_is_there_until_all_is(sides: Sides) -> None:
    fill(sides.here)
    sides.cut_after(*[0] * 7)
    with pytest.raises(UserError, match="lost again and again"):
        sides.upload()
    assert (sides.there / names.UPLOADING_MARKER).exists()
    assert tuple(sides.told.pauses) == persistence.PAUSES
    sides.upload()
    assert not (sides.there / names.UPLOADING_MARKER).exists()
    assert contents(sides.there) == contents(sides.here)


def test_files_that_keep_changing_are_given_up(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(sides.here)
    monkeypatch.setattr(copying, "sha256", lambda path, meter: "0" * 64)
    with pytest.raises(UserError, match="still differ after 3 rounds"):
        sides.upload()
    assert (sides.there / names.UPLOADING_MARKER).exists()


def test_a_file_that_shrinks_meanwhile_is_an_error(sides: Sides) -> None:
    fill(sides.here)
    files, _ = walk(sides.here)
    grown = [LocalFile(f.path, f.name, f.size + 5) for f in files]
    with pytest.raises(OSError, match="unexpected end of data"):
        copying.upload(grown, sides.open, sides.told, print)


def test_a_volume_that_is_full_is_said(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(sides.here)
    monkeypatch.setattr(Volume, "mark", lambda self: 1000)
    with pytest.raises(UserError, match=r"the volume has room for 1\.0 kB"):
        sides.upload()


def test_a_volume_that_cannot_be_written_is_said(sides: Sides) -> None:
    fill(sides.here)
    sides.there.parent.mkdir()
    sides.there.write_text("a file is in the way")
    with pytest.raises(UserError, match=r"The pod cannot copy: mkdir: .*File exists"):
        sides.upload()


def test_a_connection_that_never_opens_is_given_up(sides: Sides) -> None:
    def closed() -> Volume:
        raise ConnectionLostError("error: dial tcp: refused")

    with pytest.raises(UserError, match="dial tcp: refused"):
        persistence.persistently(
            lambda *_: True, closed, sides.told, print, sides.told.pauses.append
        )
    assert len(sides.told.pauses) == len(persistence.PAUSES)


def test_results_come_whole_and_only_once(sides: Sides) -> None:
    for name in ("outputs/video.mp4", "outputs/stills/1 ü.png", "metrics.json", "checkpoints/x"):
        write(sides.there / name, 50_000, 1)
    wanted = ("outputs", "renders", "metrics.json")
    # Within the second file.
    sides.cut_after(70_000)
    copied, found = sides.download(*wanted)
    assert found == ["metrics.json", "outputs/stills/1 ü.png", "outputs/video.mp4"]
    assert contents(sides.here) == {name: contents(sides.there)[name] for name in found}
    assert (copied.files, copied.present) == (3, 0)
    assert sides.told.lines == ["the connection was lost; going on from there"]
    (sides.here / "metrics.json").write_text("older")
    copied, _ = sides.download(*wanted)
    assert (copied.files, copied.size, copied.present) == (1, 50_000, 2)
    assert contents(sides.here) == {name: contents(sides.there)[name] for name in found}


def test_results_that_change_while_they_are_read_are_read_again(sides: Sides) -> None:
    write(sides.there / "metrics.json", 50, 1)
    original, calls = Volume.hashes, []

    def stale(self: Volume, *args: object) -> dict[str, str]:
        calls.append(1)
        if len(calls) == 1:
            return {"metrics.json": "0" * 64}
        return original(self, *args)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Volume, "hashes", stale)
        sides.download("metrics.json")
    assert len(calls) == 2
    assert contents(sides.here) == contents(sides.there)
