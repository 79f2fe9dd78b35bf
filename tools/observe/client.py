"""Questions to a Prometheus."""

import json
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Span:
    """From one moment to another, in Unix time, and seconds between two points."""

    start: float
    end: float
    step: float = 15.0


@dataclass(frozen=True)
class Series:
    """Labels, and points (time, value), oldest first."""

    labels: dict[str, str]
    points: tuple[tuple[float, float], ...]

    @property
    def last(self) -> float:
        """The newest value."""
        return self.points[-1][1]


@dataclass(frozen=True)
class Client:
    """Asks the Prometheus at this address. Raises OSError where it does not answer, or says no."""

    url: str

    def at(self, expression: str, moment: float) -> list[Series]:
        """What an expression is at a moment."""
        found = self._ask("query", query=expression, time=moment)
        if found["resultType"] == "scalar":
            return [_series({}, [found["result"]])]
        return [_series(one["metric"], [one["value"]]) for one in found["result"]]

    def over(self, expression: str, span: Span) -> list[Series]:
        """What an expression was in a span of time."""
        asked = {"query": expression, "start": span.start, "end": span.end, "step": span.step}
        found = self._ask("query_range", **asked)
        return [_series(one["metric"], one["values"]) for one in found["result"]]

    def keep(self) -> str:
        """Write all that is known into blocks; returns the name of the folder with them."""
        request = urllib.request.Request(f"{self.url}/api/v1/admin/tsdb/snapshot", method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return str(json.load(answer)["data"]["name"])

    def _ask(self, what: str, **parameters: object) -> dict[str, Any]:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{what}?{query}", timeout=30) as answer:
            return dict(json.load(answer)["data"])


def _series(labels: dict[str, str], points: list[Any]) -> Series:
    return Series(labels, tuple((float(moment), float(value)) for moment, value in points))
