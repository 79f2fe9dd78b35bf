"""Requests to the API server: none waits without end, and a short absence ends no upload."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from kubernetes import client
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NewConnectionError

from nerf_cli.meter import Say

#: Seconds to connect, and between two bytes of an answer; the server's own limit is 60.
TIMEOUT = (5.0, 65.0)
#: Answers of an API server that starts, stops or has too much to do.
AWAY = frozenset({429, 500, 502, 503, 504})
#: Of these the server says that it has not begun with what was asked.
NOT_BEGUN = frozenset({429, 503})
#: Seconds before each further try: two minutes in all.
PAUSES = (1, 2, 4, 8, *(15,) * 7)


class TimedClient(client.ApiClient):  # type: ignore[misc]
    """Every request has a time-out, if not one of its own."""

    def call_api(
        self, method: str, url: str, *args: Any, _request_timeout: Any = None, **kwargs: Any
    ) -> Any:
        """The answer, whatever its status. Raises HTTPError where there is none."""
        timeout = _request_timeout or TIMEOUT
        return super().call_api(method, url, *args, _request_timeout=timeout, **kwargs)


class PatientClient(TimedClient):
    """Asks again for a while where the server is away, and says so once for each request.

    What creates an object is only sent again where it certainly has not been done.
    """

    def __init__(
        self, configuration: Any, say: Say, pause: Callable[[float], None] = time.sleep
    ) -> None:
        super().__init__(configuration)
        self._say = say
        self._pause = pause

    def call_api(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        """As that of TimedClient."""
        pauses = iter(PAUSES)
        while True:
            try:
                answer = super().call_api(method, url, *args, **kwargs)
                if answer.status not in (NOT_BEGUN if method == "POST" else AWAY):
                    return answer
                if not self._wait(pauses, f"answers {answer.status}"):
                    return answer
                answer.read()  # So that the connection can be used again.
            except HTTPError as error:
                hopeful = method != "POST" or _not_sent(error)
                if not hopeful or not self._wait(pauses, "does not answer"):
                    raise

    def _wait(self, pauses: Iterator[float], what: str) -> bool:
        """Whether to try again, after a pause."""
        pause = next(pauses, None)
        if pause is None:
            return False
        if pause == PAUSES[0]:
            self._say(f"the API server {what}; trying again for {sum(PAUSES)} s")
        self._pause(pause)
        return True


def _not_sent(error: HTTPError) -> bool:
    reason = error.reason if isinstance(error, MaxRetryError) else error
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)
