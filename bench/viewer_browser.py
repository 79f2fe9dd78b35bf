"""How soon a page of the viewer shows something, in Chromium. For `viewer.py`.

Needs playwright, which `make setup` installs, and /usr/bin/chromium.
"""

from __future__ import annotations

import time
from typing import Any

from playwright.sync_api import Browser, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
WINDOW: Any = {"width": 1280, "height": 720}
PATIENCE_MS = 60_000
#: Milliseconds from the opening to the first paint of something: a picture, as there is no text.
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def open_pages(url: str, times: int) -> list[dict[str, float]]:
    """Open the page so often, each time as a browser that has never seen it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            return [open_page(browser, url) for _ in range(times)]
        finally:
            browser.close()


def open_page(browser: Browser, url: str) -> dict[str, float]:
    """Seconds until the first picture is painted, and until one follows the camera."""
    page = browser.new_page(viewport=WINDOW)
    page.set_default_timeout(PATIENCE_MS)
    began = time.monotonic()
    page.goto(url)
    # The still is taken away once viser shows a picture of its own.
    page.wait_for_selector("#still", state="detached")
    live = time.monotonic() - began
    painted = page.evaluate(PAINTED) / 1000
    page.close()
    return {"firstPicture": painted, "live": live}
