"""Which photos are compared, which points of them match, and what EXIF tells of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.torch
pycolmap = pytest.importorskip("pycolmap")

from numpy.typing import NDArray  # noqa: E402
from PIL import Image  # noqa: E402

from nerf_contract.dataset import PosesConfig  # noqa: E402
from nerf_trainer.poses import matching, pairs, search  # noqa: E402
from nerf_trainer.poses.features import working_size  # noqa: E402
from nerf_trainer.poses.inputs import Input, identity, read_inputs  # noqa: E402
from nerf_trainer.poses.likeness import unlikeness  # noqa: E402
from nerf_trainer.poses.matching import mutual_matches  # noqa: E402
from nerf_trainer.poses.pieces import Pieces  # noqa: E402
from nerf_trainer.scenes.listing import list_photos  # noqa: E402

Array = NDArray[np.float32]


def unit(rng: np.random.Generator, *shape: int) -> Array:
    vectors = rng.normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_all_pairs_once() -> None:
    assert pairs.exhaustive(4) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


def test_a_sequence_is_in_order_of_the_numbers_in_names() -> None:
    """Of 40 frames each has the ten before and after it, and those 16 and 32 apart."""
    names = [f"frame_{k}.jpg" for k in range(40)]
    found = pairs.sequential(names)
    assert all(i < j for i, j in found)
    apart = {j - i for i, j in found}
    assert apart == {*range(1, 11), 16, 32}
    assert len(found) == sum(40 - step for step in apart)
    shuffled = [names[9], names[10], names[0]]
    assert pairs.sequential(shuffled) == [(0, 1), (0, 2), (1, 2)]


def test_the_ends_of_a_path_that_comes_back_are_joined() -> None:
    """A hundred frames along a circle: the last ones see what the first ones do."""
    angle = 2 * np.pi * np.arange(100) / 100
    circle = np.stack([np.cos(angle), np.sin(angle)], -1)
    in_order = pairs.sequential([str(k) for k in range(100)])
    found = pairs.with_returns(in_order, np.linalg.norm(circle[:, None] - circle, axis=-1))
    assert found == sorted(set(found))
    assert (0, 99) not in in_order
    assert {(0, 99), (0, 98), (1, 99), *in_order} < set(found)
    assert len(found) <= len(in_order) + 100 * pairs.RETURNS


def test_a_short_sequence_has_no_others_to_return_to() -> None:
    in_order = pairs.sequential(["0", "1", "2"])
    assert pairs.with_returns(in_order, np.ones((3, 3))) == in_order


def test_neighbours_are_the_nearest_ones() -> None:
    """100 photos along a line: each is compared with the 40 around it."""
    line = np.arange(100.0)
    found = pairs.nearest(np.abs(line[:, None] - line))
    assert found == sorted(set(found))
    assert all(0 < j - i <= pairs.NEIGHBOURS for i, j in found)
    assert {(50, 70), (30, 50), (0, 40)} <= set(found)
    assert (40, 61) not in found


def test_two_groups_of_photos_stay_connected() -> None:
    """Were there nearest ones only, no photo would lead from one group to the other."""
    group = np.repeat([0.0, 1000.0], 60) + np.arange(120) * 0.01
    assert (59, 60) in pairs.nearest(np.abs(group[:, None] - group))


def test_metres_between_places() -> None:
    at_home = pairs.metres([(48.0, 11.0), (48.001, 11.0), (48.0, 11.001)])
    assert at_home[0, 1] == pytest.approx(111.2, abs=0.1)
    assert at_home[0, 2] == pytest.approx(74.4, abs=0.1)
    assert at_home[1, 2] == pytest.approx(np.hypot(111.2, 74.4), abs=0.1)
    across = pairs.metres([(0.0, 179.9995), (0.0, -179.9995)])
    assert across[0, 1] == pytest.approx(111.2, abs=0.1)


@pytest.mark.parametrize("places", [0, 1])
def test_photos_without_features_are_like_nothing(places: int) -> None:
    """Of three photos none, or only the last one, shows anything that can be found again."""
    found = [np.zeros((0, 128), np.float32)] * 3
    found[3 - places :] = [unit(np.random.default_rng(0), 50, 128)] * places
    distances = unlikeness(3, found.__getitem__)
    assert np.isfinite(distances).all()
    assert (distances[:2] == 1).all()
    assert {(0, 1), (1, 2)} <= set(pairs.nearest(distances))


def test_photos_that_show_the_same_look_alike() -> None:
    """Five photos each of two places with features of their own."""
    rng = np.random.default_rng(0)
    places = [unit(rng, 300, 128) for _ in range(2)]

    def descriptors(i: int) -> Array:
        seen = places[i % 2][np.random.default_rng(i).permutation(300)[:150]]
        noisy = seen + 0.02 * np.random.default_rng(i).normal(size=seen.shape)
        return (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)

    apart = unlikeness(10, descriptors)
    same = np.equal.outer(np.arange(10) % 2, np.arange(10) % 2) & ~np.eye(10, dtype=bool)
    assert apart[same].max() < apart[~same & ~np.eye(10, dtype=bool)].min()


def test_a_photo_without_features_is_like_no_other() -> None:
    rng = np.random.default_rng(0)
    some = unit(rng, 50, 128)
    apart = unlikeness(3, lambda i: some[:0] if i == 1 else some)
    assert np.isfinite(apart).all()
    assert apart[0, 1] == apart[1, 2] == 1
    assert apart[0, 2] == pytest.approx(0, abs=1e-5)


def slow_matches(a: Array, b: Array, ratio: float) -> list[list[int]]:
    """`mutual_matches`, one by one."""

    def ranked(one: Array, others: Array) -> list[tuple[float, int]]:
        angles = [(float(np.arccos(np.clip(one @ o, -1, 1))), j) for j, o in enumerate(others)]
        return sorted(angles)

    found = []
    for i, one in enumerate(a):
        (first, j), (second, _) = ranked(one, b)[:2]
        if ranked(b[j], a)[0][1] == i and first < ratio * second and first < 0.7:
            found.append([i, j])
    return found


@pytest.mark.parametrize("ratio", [0.7, 0.9])
def test_matches_are_mutual_and_clear(ratio: float) -> None:
    rng = np.random.default_rng(1)
    a = unit(rng, 40, 8)
    b = a[rng.permutation(40)[:30]] + 0.2 * rng.normal(size=(30, 8)).astype(np.float32)
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    expected = slow_matches(a, b, ratio)
    assert 3 < len(expected) < 30
    assert mutual_matches(a, b, ratio).tolist() == expected


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_features_match_nothing(count: int) -> None:
    some = unit(np.random.default_rng(0), 5, 128)
    assert mutual_matches(some[:count], some, 0.8).shape == (0, 2)
    assert mutual_matches(some, some[:count], 0.8).shape == (0, 2)


def test_photos_are_worked_on_in_a_size_of_the_same_shape() -> None:
    assert working_size((4000, 3000), 960) == (960, 720)
    assert working_size((3000, 4000), 960) == (720, 960)
    assert working_size((640, 480), 960) == (640, 480)
    assert working_size((256, 192), 960) == (512, 384)
    assert working_size((100, 80), 960) == (200, 160)
    assert working_size((256, 192), 300) == (300, 225)
    assert working_size((20000, 4), 960) == (960, 1)


def test_one_pair_more_after_a_restart_shifts_no_matches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def match(part: list[pairs.Pair], *_: object) -> list[matching.Match]:
        compared.extend(part)
        return [matching.Match(pair, pycolmap.TwoViewGeometry()) for pair in part]

    def match_all(all_pairs: list[pairs.Pair]) -> list[pairs.Pair]:
        found = matching.match_all(
            all_pairs, lambda i: i, [], 0.7, Pieces(tmp_path), lambda _: None
        )
        return [match.pair for match in found]

    compared: list[pairs.Pair] = []
    monkeypatch.setattr(matching, "_match", match)
    monkeypatch.setattr(matching, "PART", 2)
    before = [(0, 1), (1, 2), (2, 3), (3, 4)]
    after = [*before[:2], (1, 3), *before[2:]]
    assert match_all(before) == match_all(before) == compared == before
    assert match_all(after) == after
    assert compared == [*before, *after[2:]], "what is the same is kept"


def test_pieces_are_read_as_they_were_kept(tmp_path: Path) -> None:
    pieces = Pieces(tmp_path / "a/b")
    assert not pieces.has("x")
    pieces.keep("x", {"points": np.eye(3), "none": np.empty((0, 2), np.uint32)})
    read = Pieces(tmp_path / "a/b").read("x")
    assert pieces.has("x")
    np.testing.assert_array_equal(read["points"], np.eye(3))
    assert read["none"].shape == (0, 2)


def photos(folder: Path, exifs: list[dict[int, Any]]) -> list[Input]:
    """A photo with each EXIF: tags of the image, and {IFD: tags} for those in other parts."""
    rng = np.random.default_rng(0)
    for k, tags in enumerate(exifs):
        exif = Image.Exif()
        for tag, value in tags.items():
            if isinstance(value, dict):
                exif.get_ifd(tag).update(value)
            else:
                exif[tag] = value
        pixels = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{k}.jpg", exif=exif)
    return read_inputs(folder, list_photos(folder), PosesConfig())


EXIF_IFD, GPS_IFD = 0x8769, 0x8825
ORIENTATION, MAKE, FOCAL_35MM, FOCAL = 0x0112, 0x010F, 0xA405, 0x920A


def gps(latitude: tuple[float, ...], longitude: tuple[float, ...]) -> dict[int, Any]:
    return {GPS_IFD: {1: "S", 2: latitude, 3: "E", 4: longitude}}


def test_exif_tells_focal_length_and_place(tmp_path: Path) -> None:
    """The diagonal is 50 pixels, and that of the film 43.27 mm."""
    told = {EXIF_IFD: {FOCAL_35MM: 28}} | gps((48.0, 30.0, 36.0), (11.0, 0.0, 0.0))
    first, second, third = photos(tmp_path, [told, {}, {EXIF_IFD: {FOCAL_35MM: 0}}])
    assert first.focal == pytest.approx(28 / 43.27 * 50)
    assert first.place == pytest.approx((-48.51, 11.0))
    assert (second.focal, second.place) == (None, None)
    assert third.focal is None, "0 means that it is not known"


def test_photos_of_one_camera_share_it(tmp_path: Path) -> None:
    wide, far = ({MAKE: "Maker", EXIF_IFD: {FOCAL: focal}} for focal in (4.0, 9.0))
    found = photos(tmp_path, [wide, far, wide])
    assert found[0].camera == found[2].camera != found[1].camera
    own = read_inputs(tmp_path, list_photos(tmp_path), PosesConfig(shared_camera=False))
    assert len({photo.camera for photo in own}) == 3


def chosen(found: list[Input], monkeypatch: pytest.MonkeyPatch, **config: Any) -> Any:
    """Which way to choose pairs was taken."""
    monkeypatch.setattr(search, "exhaustive", lambda _: "exhaustive")
    monkeypatch.setattr(search, "sequential", lambda _: "sequence")
    monkeypatch.setattr(search, "with_returns", lambda pairs, by: f"{pairs} and {by}")
    monkeypatch.setattr(search, "metres", lambda _: "place")
    monkeypatch.setattr(search, "unlikeness", lambda *_: "look")
    monkeypatch.setattr(search, "nearest", lambda distances: f"nearest by {distances}")
    return search.choose_pairs(found, PosesConfig(**config), lambda _: None)


def test_pairs_are_chosen_by_number_and_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = gps((48.0, 0.0, 0.0), (11.0, 0.0, 0.0))
    with_place, _, without = photos(tmp_path, [here, here, {}])
    assert chosen([with_place] * 200, monkeypatch) == "exhaustive"
    assert chosen([with_place] * 201, monkeypatch) == "nearest by place"
    assert chosen([with_place] * 200 + [without], monkeypatch) == "nearest by look"
    assert chosen([without] * 3, monkeypatch, matching="sequential") == "sequence and look"
    assert chosen([with_place] * 3, monkeypatch, matching="nearest") == "nearest by look"


def identity_now(folder: Path) -> str:
    return identity(read_inputs(folder, list_photos(folder), PosesConfig()), PosesConfig())


def test_an_upright_mask_fits_a_photo_that_exif_turns(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    Image.new("L", (30, 40)).save(tmp_path / "masks" / "0.png")
    Image.new("L", (40, 30)).save(tmp_path / "masks" / "1.png")
    found = photos(tmp_path, [{ORIENTATION: 6}] * 3)
    assert [item.size for item in found] == [(30, 40)] * 3
    assert [item.mask_orientation for item in found[:2]] == [1, 6]


def test_what_the_poses_depend_on(tmp_path: Path) -> None:
    found = photos(tmp_path, [{}, {}, {}])
    first = identity(found, PosesConfig())
    assert first == identity_now(tmp_path)
    assert first != identity(found, PosesConfig(max_features=500))
    (tmp_path / "masks").mkdir()
    Image.new("L", (40, 30), 255).save(tmp_path / "masks/1.png")
    masked = identity_now(tmp_path)
    (tmp_path / "0.jpg").rename(tmp_path / "9.jpg")
    renamed = identity_now(tmp_path)
    assert len({first, masked, renamed}) == 3
