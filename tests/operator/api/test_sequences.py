"""Whatever is done to jobs in whatever order: none is stuck, none is written to without end."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from operator_support import edits
from operator_support.apiserver import wait_until
from operator_support.proxy import Proxy
from operator_support.stage import Stage

pytestmark = pytest.mark.usefixtures("alone")
#: Sequences that are played at a time.
AT_ONCE = 10
#: Seconds: the longest back-off between two attempts of a worker that the sequences may reach.
SETTLED = 45


def play(stage: Stage, seed: int) -> str:
    """What is wrong in the end; "" if nothing is."""
    lab = stage.namespace()
    done = edits.play(lab, seed)
    try:
        wait_until("settled", lambda: edits.stuck(lab) == "", SETTLED)
    except TimeoutError:
        return f"seed {seed}: {edits.stuck(lab)} after {done}"
    return ""


def calm(proxy: Proxy) -> bool:
    """Nothing was written for a second. An operator in a hot loop never comes to that."""
    return proxy.writes()[-1].at < time.monotonic() - 1


def play_all(stage: Stage, seeds: range) -> None:
    with stage.operator("") as (operator, proxy):
        wait_until("the operator is ready", operator.ready)
        for begin in seeds[::AT_ONCE]:
            batch = range(begin, min(begin + AT_ONCE, seeds.stop))
            with ThreadPoolExecutor(AT_ONCE) as pool:
                wrong = list(pool.map(lambda seed: play(stage, seed), batch))
            assert [found for found in wrong if found] == []
            wait_until("calm", lambda: calm(proxy), SETTLED)
        log = [json.loads(line) for line in operator.log.read_text().splitlines()]
        assert [line for line in log if line["level"] != "INFO"] == []


def test_some_sequences(stage: Stage) -> None:
    play_all(stage, range(20))


@pytest.mark.slow
def test_many_sequences(stage: Stage) -> None:
    play_all(stage, range(500))
