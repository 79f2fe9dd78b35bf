"""The page in Chromium: a picture is there at once, moves with the mouse, and becomes sharp.

The viewer runs in the trainer image on this machine's loopback, and needs no cluster; but the image
is only there when the tests of the cluster run.
"""

import io
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Frame, Page, sync_playwright

from nerf_trainer.viewer.pace import FINE_EDGE, SHARP_EDGE

pytestmark = pytest.mark.cluster

CHECKOUT = Path(__file__).parents[2]
TOKEN = "token-of-the-browser-test"
CHROMIUM = "/usr/bin/chromium"
SIZE = {"width": 840, "height": 420}
PATIENCE = 60.0
#: The part of the window, rows and columns, that nothing lies over.
MIDDLE = (slice(40, 380), slice(330, 500))
#: Notes the width of each picture that viser shows.
NOTE_WIDTHS = """
    window.widths = [];
    const make = URL.createObjectURL;
    URL.createObjectURL = blob => {
        createImageBitmap(blob).then(picture => window.widths.push(picture.width), () => {});
        return make(blob);
    };
"""


@dataclass(frozen=True)
class Viewer:
    """A viewer that serves."""

    url: str

    def status(self, path: str, **headers: str) -> int:
        """How a request without a cookie is answered."""
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except HTTPError as error:
            return error.code


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("viewer") / "log"
    command = [
        *(str(CHECKOUT / "tools/images/in-trainer"), "--host-network"),
        *("-e", f"NERF_VIEWER_TOKEN={TOKEN}", "--"),
        *("python3", "/src/tests/viewer/serve_ball.py", "/workspace", str(port)),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        found = Viewer(f"http://127.0.0.1:{port}")
        still = {"Authorization": f"Bearer {TOKEN}"}
        wait(lambda: answers(found, process, log) and found.status("/still.jpg", **still) == 200)
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def answers(viewer: Viewer, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return viewer.status("/healthz") == 200
    except URLError:
        return False


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    arguments = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(viewer: Viewer, browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport=SIZE)
    page.set_default_timeout(PATIENCE * 1000)
    yield page
    page.close()


def pixels(page: Page) -> NDArray[np.int16]:
    """What is seen in the middle of the page."""
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    if folder := os.environ.get("NERF_SCREENSHOTS"):  # To be looked at.
        image.save(f"{folder}/{time.monotonic():.1f}.png")
    return np.asarray(image).astype(np.int16)[MIDDLE]


def scene(page: Page) -> Frame:
    """viser's part of the page, once its first picture is there."""
    frame = page.wait_for_selector("#scene").content_frame()
    frame.wait_for_selector("[data-live]", state="attached")
    return frame


def test_it_can_be_seen_moved_and_gets_sharp(viewer: Viewer, page: Page) -> None:
    page.add_init_script(NOTE_WIDTHS)
    page.goto(f"{viewer.url}/?token={TOKEN}")
    assert page.url == f"{viewer.url}/"
    wait(lambda: page.evaluate("document.getElementById('still').naturalWidth") > 0)
    assert pixels(page).std() > 10
    inside = scene(page)
    page.wait_for_selector("#still", state="detached")
    told = inside.locator("body").inner_text()
    assert all(text in told for text in ("21.50 dB", "World size", "Training cameras"))
    before = pixels(page)
    assert before.std() > 10
    inside.evaluate("window.widths = []")
    drag(page)
    wait(lambda: np.abs(pixels(page) - before).mean() > 5)
    wait(lambda: any(width <= FINE_EDGE for width in inside.evaluate("window.widths")))
    wait(lambda: SHARP_EDGE in inside.evaluate("window.widths"))
    assert pixels(page).std() > 10


def drag(page: Page) -> None:
    """Turn the scene, for a second or so."""
    page.mouse.move(400, 200)
    page.mouse.down()
    for step in range(20):
        page.mouse.move(400 + 6 * step, 200 + 2 * step)
        page.wait_for_timeout(50)
    page.mouse.up()


def test_nothing_in_the_page_is_refused_by_its_own_policy(viewer: Viewer, page: Page) -> None:
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.goto(f"{viewer.url}/?token={TOKEN}")
    scene(page)
    assert [text for text in told if "Content Security Policy" in text] == []


def test_a_wrong_token_and_a_foreign_page_are_refused(viewer: Viewer, page: Page) -> None:
    assert viewer.status("/") == 401
    assert viewer.status("/?token=wrong") == 401
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Authorization": f"Bearer {TOKEN}"}
    assert viewer.status("/scene", Origin="http://evil.example", **upgrade) == 403
    page.goto(f"{viewer.url}/?token={TOKEN}")
    # A page of another site: the same machine, by another origin.
    page.goto("data:text/html,<p>elsewhere")
    opened = page.evaluate(
        """url => new Promise(done => {
            const socket = new WebSocket(url);
            socket.onopen = () => done(true);
            socket.onerror = () => done(false);
        })""",
        viewer.url.replace("http", "ws") + "/scene",
    )
    assert opened is False
