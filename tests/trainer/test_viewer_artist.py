"""Which picture is drawn next."""

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from scene_files import blender_scene  # noqa: E402
from viewer_scenes import CAMERA, CONFIG, STEPS, leave_checkpoint, psnr  # noqa: E402

from nerf_trainer.camera_file import write_cameras  # noqa: E402
from nerf_trainer.scenes import load_scene  # noqa: E402
from nerf_trainer.viewer.artist import SHOW_SECONDS, STILL_SECONDS, Artist  # noqa: E402
from nerf_trainer.viewer.camera import Camera  # noqa: E402
from nerf_trainer.viewer.canvas import Pixels, blank  # noqa: E402
from nerf_trainer.viewer.follower import Follower, draw_still, summary  # noqa: E402
from nerf_trainer.viewer.frusta import Frusta  # noqa: E402
from nerf_trainer.viewer.pace import FINE_EDGE  # noqa: E402
from nerf_trainer.viewer.source import Snapshot, Source  # noqa: E402
from nerf_trainer.viewpoints import look_at  # noqa: E402

pytestmark = pytest.mark.torch

UP = np.array([0.0, 0.0, 1.0])
ELSEWHERE = Camera(look_at(np.array([3.0, 0.1, 1.0]), np.zeros(3), UP), 0.8, 1.0)
EDGE = 48


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    folder = tmp_path_factory.mktemp("job")
    leave_checkpoint(folder)
    found = Source(CONFIG, folder).read()
    assert found is not None
    return found


class Room:
    """An artist without a thread, a clock that is set by hand, and what pages are shown."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self.now = 100.0
        self.artist = Artist(clock=lambda: self.now)
        self.shown: list[tuple[int, Pixels, bool]] = []
        if snapshot:
            self.artist.present(snapshot)

    def look(self, camera: Camera, page: int = 0) -> None:
        def show(picture: Pixels, sharp: bool) -> None:
            self.shown.append((page, picture, sharp))

        self.artist.look(page, camera, EDGE, show)

    def work(self, until_shown: int) -> None:
        """Draw until so many pictures have been shown in all."""
        for _ in range(10_000):
            if len(self.shown) >= until_shown:
                return
            wait = self.artist.step()
            assert wait is not None, "nothing is left to draw"
            self.now += wait
        raise AssertionError("the picture never comes")

    def finish(self) -> None:
        """Draw until nothing is left."""
        while (wait := self.artist.step()) is not None:
            self.now += wait


def test_nothing_is_done_without_a_page_or_without_a_scene(snapshot: Snapshot) -> None:
    assert Room(snapshot).artist.step() is None
    empty = Room()
    empty.look(CAMERA)
    assert empty.artist.step() is None
    assert empty.artist.busy


def test_coarse_first_then_finer_then_sharp_then_rest(snapshot: Snapshot) -> None:
    room = Room(snapshot)
    room.look(CAMERA)
    room.finish()
    assert [sharp for _, _, sharp in room.shown] == [False, False, True]
    coarse, fine, sharp = (picture for _, picture, _ in room.shown)
    assert coarse.size <= fine.size
    assert sharp.shape == (EDGE, EDGE, 3)
    assert psnr(fine, sharp) > 15
    whole = blank(snapshot, CAMERA, (EDGE, EDGE), sharp=True)
    whole.draw(EDGE * EDGE)
    assert np.abs(whole.picture.astype(int) - sharp).max() <= 1


def test_a_camera_that_moves_only_gets_coarse_pictures(snapshot: Snapshot) -> None:
    room = Room(snapshot)
    for _ in range(5):
        room.look(CAMERA)
        assert room.artist.step() == 0
        assert room.artist.step() == pytest.approx(STILL_SECONDS)
        room.now += STILL_SECONDS / 2
    assert len(room.shown) == 5
    assert max(max(picture.shape) for _, picture, _ in room.shown) <= min(EDGE, FINE_EDGE)


def test_a_move_ends_a_sharp_picture_at_once(snapshot: Snapshot) -> None:
    room = Room(snapshot)
    room.look(CAMERA)
    room.work(until_shown=2)
    room.artist.step()  # A slab of the sharp picture.
    room.look(ELSEWHERE)
    room.work(until_shown=3)
    _, picture, sharp = room.shown[-1]
    assert not sharp
    expected = blank(snapshot, ELSEWHERE, picture.shape[1::-1])
    expected.draw(picture.size)
    assert np.array_equal(picture, expected.picture)


def test_a_sharp_picture_is_shown_as_it_grows(snapshot: Snapshot) -> None:
    room = Room(snapshot)
    room.look(CAMERA)
    room.work(until_shown=2)
    room.now += SHOW_SECONDS + 0.01
    room.work(until_shown=3)
    _, picture, sharp = room.shown[-1]
    assert sharp
    room.finish()
    assert not np.array_equal(picture, room.shown[-1][1])


def test_a_page_that_moves_comes_before_one_at_rest(snapshot: Snapshot) -> None:
    room = Room(snapshot)
    room.look(CAMERA, page=0)
    room.work(until_shown=2)
    room.look(ELSEWHERE, page=1)
    room.artist.step()
    assert room.shown[-1][0] == 1


def test_pages_at_rest_take_turns(snapshot: Snapshot) -> None:
    room = Room(snapshot)
    for page in range(3):
        room.look(CAMERA, page)
    room.finish()
    assert sorted(page for page, _, sharp in room.shown if sharp) == [0, 1, 2]
    assert [page for page, _, _ in room.shown[:3]] == [0, 1, 2]


def test_a_page_that_is_closed_gets_nothing(snapshot: Snapshot) -> None:
    room = Room(snapshot)
    room.look(CAMERA)
    room.artist.leave(0)
    assert room.artist.step() is None
    assert not room.artist.busy


def test_a_page_that_cannot_be_shown_its_picture_holds_up_no_other(snapshot: Snapshot) -> None:
    room = Room(snapshot)
    tries: list[float] = []

    def broken(picture: Pixels, sharp: bool) -> None:
        tries.append(room.now)
        if len(tries) < 4:
            raise ConnectionError("nobody is there")

    room.artist.look(0, CAMERA, EDGE, broken)
    room.look(CAMERA, page=1)
    room.work(until_shown=3)
    assert [page for page, _, _ in room.shown] == [1, 1, 1]
    room.finish()
    pauses = np.diff(tries[:4])
    assert (pauses >= [2, 4, 8]).all() and (pauses < [3, 5, 9]).all()
    assert len(tries) == 6, "once it is well again, it gets all of its pictures"


def test_a_newer_scene_is_drawn_over_the_sharp_picture(snapshot: Snapshot) -> None:
    room = Room(snapshot)
    room.look(CAMERA)
    room.finish()
    before = len(room.shown)
    newer = Snapshot(99, snapshot.time, snapshot.notes, snapshot.model, snapshot.preview)
    room.artist.present(newer)
    room.finish()
    assert [sharp for _, _, sharp in room.shown[before:]] == [True]


def test_the_first_still_is_a_picture(snapshot: Snapshot) -> None:
    still = np.asarray(Image.open(io.BytesIO(draw_still(snapshot, CAMERA))))
    assert still.shape[0] > 32
    assert still.std() > 10


def test_cameras_that_the_training_leaves_later_are_shown_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NERF_DATASET_ROOT", str(tmp_path / "nowhere"))
    shown: list[Frusta] = []
    page = SimpleNamespace(show_cameras=shown.append, tell=lambda _: None)
    artist = SimpleNamespace(present=lambda _: None)
    follower = Follower(CONFIG, tmp_path, artist, page)
    follower.find_cameras()
    assert shown == []
    scene = load_scene(CONFIG.dataset, blender_scene(tmp_path / "scene"), "white")
    write_cameras(tmp_path, scene.train)
    leave_checkpoint(tmp_path)
    for _ in range(2):
        follower._follow()
        assert [len(frusta.poses) for frusta in shown] == [8]


def test_the_page_tells_step_psnr_and_world_size(snapshot: Snapshot) -> None:
    text = summary(snapshot, steps=3000)
    for told in (f"{STEPS} of 3,000", "21.50 dB", "| World size | 2 |"):
        assert told in text
