"""The operator or the API server goes away and comes back: the jobs do not notice."""

from pathlib import Path

from operator_support.apiserver import ApiServer, wait_until
from operator_support.cluster import Namespace, Object
from operator_support.process import Operator

BOTH = ("demo-worker-0-0", "demo-worker-1-0")


def versions(lab: Namespace) -> dict[str, str]:
    """UID and version of every child, and of the job."""
    found: list[Object] = [o for kind in ("pods", "services", "nerfjobs") for o in lab.list(kind)]
    return {o["metadata"]["uid"]: o["metadata"]["resourceVersion"] for o in found}


def running_job(lab: Namespace) -> None:
    lab.job()
    lab.await_pods(*BOTH)
    for name in BOTH:
        lab.run_pod(name, "127.77.9.9")  # Nobody answers there: no progress.
    lab.await_condition("WorkersReady", "AllReady")


def test_a_restart_of_the_operator_writes_nothing(lab: Namespace, operator: Operator) -> None:
    running_job(lab)
    before = versions(lab)
    operator.kill()
    operator.start()
    lab.job("after")  # Once the new operator serves it, it has also seen the old job.
    wait_until("the new job's pods", lambda: "after-worker-1-0" in lab.pods(), 20)
    after = versions(lab)
    assert {uid: after.get(uid) for uid in before} == before


def test_what_happened_while_the_operator_was_away_is_made_good(
    lab: Namespace, operator: Operator
) -> None:
    running_job(lab)
    operator.kill()
    lab.delete("services", "demo")
    lab.end_pod(BOTH[1], 1, "boom")
    lab.job("late")
    operator.start()
    wait_until("the Service", lambda: lab.get("services", "demo"), 10)
    wait_until("another attempt", lambda: "demo-worker-1-1" in lab.pods(), 10)
    wait_until("the late job", lambda: "late-worker-0-0" in lab.pods(), 10)
    assert BOTH[0] in lab.pods()


def test_no_pod_is_touched_while_the_api_server_is_away(
    lab: Namespace, operator: Operator, server: ApiServer
) -> None:
    running_job(lab)
    before = versions(lab)
    server.stop_server()
    server.start_server()
    lab.job("after")
    wait_until("the new job's pods", lambda: "after-worker-1-0" in lab.pods(), 30)
    after = versions(lab)
    assert {uid: after.get(uid) for uid in before} == before


def test_only_chosen_namespaces_are_served(
    bare: Namespace, account: Path, server: ApiServer, operator: Operator, tmp_path: Path
) -> None:
    operator.kill()
    other = Namespace(server, "default")
    chosen = Operator(account, tmp_path / "log", namespaces=bare.name)
    chosen.start()
    try:
        other.job("elsewhere")
        bare.claim()
        bare.job()
        bare.await_pods(*BOTH, seconds=20)
        assert other.status("elsewhere") == {}
    finally:
        chosen.kill()
        other.delete("nerfjobs", "elsewhere")
        operator.start()
