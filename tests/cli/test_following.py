"""Following a job through an API server that goes away and watches that end."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from nerf_cli import following
from nerf_cli.cluster import Object
from nerf_cli.following import TimeIsUpError, follow


@dataclass
class Answers:
    """Stands for a cluster: what it says when it is asked for the job, in turn."""

    answers: list[Object | HTTPError | ApiException | None]
    changes: list[list[Object] | HTTPError] = field(default_factory=list)

    def find_job(self, name: str) -> Object | None:
        return _said(self.answers.pop(0))


def _said(answer):  # type: ignore[no-untyped-def]
    if isinstance(answer, Exception):
        raise answer
    return answer


@pytest.fixture(autouse=True)
def patched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Watches give the cluster's changes; nothing is slept."""

    def changes(cluster: Answers, job: Object, seconds: int) -> Iterator[Object]:
        yield from _said(cluster.changes.pop(0)) if cluster.changes else ()

    monkeypatch.setattr(following, "_changes", changes)
    monkeypatch.setattr(following.time, "sleep", lambda seconds: None)


def test_a_job_is_followed_until_it_is_deleted() -> None:
    cluster = Answers([{"v": 1}, {"v": 4}, None], [[{"v": 2}, {"v": 3}], []])
    seen = follow(cluster, "scene", print, None)  # type: ignore[arg-type]
    assert [job["v"] for job in seen] == [1, 2, 3, 4]


def test_an_api_server_that_is_away_is_waited_for_and_said_once_each_time() -> None:
    said: list[str] = []
    away = HTTPError("refused")
    cluster = Answers([away, away, {"v": 1}, away, {"v": 2}, None], [away, []])
    seen = follow(cluster, "scene", said.append, None)  # type: ignore[arg-type]
    assert [job["v"] for job in seen] == [1, 2]
    assert len(said) == 2
    assert all("does not answer (refused)" in line for line in said)


def test_a_refusal_ends_it_and_an_overloaded_server_does_not() -> None:
    cluster = Answers([{"v": 1}, ApiException(status=503), {"v": 2}, ApiException(status=403)])
    seen = follow(cluster, "scene", print, None)  # type: ignore[arg-type]
    assert [next(seen)["v"], next(seen)["v"]] == [1, 2]
    with pytest.raises(ApiException):
        next(seen)


@pytest.mark.parametrize("answer", [{"v": 1}, HTTPError("refused")])
def test_the_deadline_ends_it_whether_the_cluster_answers_or_not(answer: Object) -> None:
    cluster = Answers([answer] * 3)
    with pytest.raises(TimeIsUpError):
        list(follow(cluster, "scene", print, time.monotonic() - 1))  # type: ignore[arg-type]
