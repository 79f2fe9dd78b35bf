"""How long a process asks for a place: through every absence, not through every refusal."""

from collections.abc import Iterator
from itertools import chain, repeat

import pytest

from nerf_trainer.coordination.client import RefusedError, UnreachableError
from nerf_trainer.coordination.messages import (
    NO_GENERATION,
    GenerationId,
    Identity,
    Incarnation,
    Join,
    MemberId,
    Placement,
    Reply,
    Verdict,
)
from nerf_trainer.coordination.placing import (
    FENCED_SECONDS,
    REFUSED_SECONDS,
    FencedError,
    await_placement,
)

WISH = Join(
    Identity(MemberId(1, 0), Incarnation(0, 0), 1, writer=False),
    1,
    0,
    0,
    "host:1",
    NO_GENERATION,
    0,
)
PLACE = Placement(GenerationId(1, 1), 0, 1, 0, None, "host:1")
WAIT, PLACED = Reply(Verdict.CURRENT), Reply(Verdict.CURRENT, PLACE)
FENCED, MISFIT = Reply(Verdict.FENCED), Reply(Verdict.MISFIT)
AWAY, REFUSED = UnreachableError("nobody there"), RefusedError("HTTP 401: another token")
Answer = Reply | UnreachableError


class Script:
    """A coordinator that answers by a script; time passes by sleeping alone."""

    def __init__(self, answers: Iterator[Answer]) -> None:
        self.now = 0.0
        self._answers = answers

    def join(self, message: Join) -> Reply:
        answer = next(self._answers)
        if isinstance(answer, UnreachableError):
            raise answer
        return answer

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def place(self) -> Placement:
        return await_placement(self, WISH, lambda: self.now, self.sleep)


def test_absence_is_outlived() -> None:
    script = Script(chain([WAIT], repeat(AWAY, 10_000), [WAIT, PLACED]))
    assert script.place() == PLACE
    assert script.now > 10 * REFUSED_SECONDS


@pytest.mark.parametrize(
    ("no", "kind", "seconds", "why"),
    [
        (REFUSED, RefusedError, REFUSED_SECONDS, "another token"),
        (MISFIT, RefusedError, REFUSED_SECONDS, "another config.*Delete all worker pods"),
        (FENCED, FencedError, FENCED_SECONDS, "newer pod is worker 1"),
    ],
    ids=["refused", "misfit", "fenced"],
)
def test_a_refusal_that_lasts_is_the_end(
    no: Answer, kind: type[Exception], seconds: float, why: str
) -> None:
    script = Script(repeat(no))
    with pytest.raises(kind, match=why):
        script.place()
    assert seconds < script.now < seconds + 2


@pytest.mark.parametrize("no", [REFUSED, MISFIT, FENCED], ids=["refused", "misfit", "fenced"])
def test_a_refusal_that_passes_is_not(no: Answer) -> None:
    for_a_while = [no] * 15
    script = Script(chain(for_a_while, [WAIT], for_a_while, [WAIT], for_a_while, [PLACED]))
    assert script.place() == PLACE


def test_what_is_the_matter_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    Script(chain(repeat(AWAY, 5), repeat(REFUSED, 5), [PLACED])).place()
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == [
        "nobody there",
        "another token",
    ]
