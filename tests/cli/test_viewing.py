"""How a browser is led to the viewer's page."""

import http.client
import time
from urllib.parse import urlsplit

import pytest

from nerf_cli import one_time, viewing

ADDRESS = "http://127.0.0.1:4711/?token=0123456789abcdef"


def get(url: str) -> tuple[int, str | None]:
    """Status and target of an answer."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("GET", parts.path)
    answer = connection.getresponse()
    connection.close()
    return answer.status, answer.getheader("Location")


def refused(url: str) -> bool:
    try:
        get(url)
    except ConnectionRefusedError:
        return True
    except OSError:  # It ends just now.
        pass
    return False


def test_the_browser_is_not_started_with_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    said: list[str] = []
    monkeypatch.setattr(viewing.webbrowser, "open", opened.append)
    viewing._opened(ADDRESS, True, said.append)
    [url] = opened
    assert "0123456789abcdef" not in url
    assert get(url) == (303, ADDRESS)
    assert any(ADDRESS in line for line in said)


def test_an_address_leads_on_once_and_only_who_knows_it() -> None:
    url = one_time.lead_to(ADDRESS)
    assert get(url.rpartition("/")[0] + "/guessed") == (404, None)
    assert get(url) == (303, ADDRESS)
    assert get(url) == (404, None)


def test_an_address_that_nobody_used_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_time, "LIFETIME_S", 0.0)
    url = one_time.lead_to(ADDRESS)
    deadline = time.monotonic() + 20
    while not refused(url):
        assert time.monotonic() < deadline
