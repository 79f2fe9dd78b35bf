"""What the operator tells of itself."""

from operator_support.apiserver import wait_until
from operator_support.cluster import Namespace
from operator_support.process import Operator

from nerf_contract.metrics import JOB_PENDING, OPERATOR_METRICS

KINDS = ("nerfjobs", "pods", "services", "persistentvolumeclaims", "nodes")


def test_every_metric_is_told(operator: Operator) -> None:
    told = operator.ask("/metrics")
    for metric in OPERATOR_METRICS:
        name = metric.name.removesuffix("_total")
        assert f"# TYPE {metric.name} {metric.kind}" in told or f"# TYPE {name} " in told
        some = metric.kind == "histogram" or metric is JOB_PENDING  # Of which there may be none.
        assert metric.labels == () or f"{metric.name}{{" in told or some


def test_every_watch_has_an_age(operator: Operator) -> None:
    ages = operator.metric("nerf_operator_watch_age_seconds{")
    assert set(ages) == {f'nerf_operator_watch_age_seconds{{kind="{kind}"}}' for kind in KINDS}
    assert all(0 <= age < 90 for age in ages.values())


def test_an_event_makes_a_watch_young(lab: Namespace, operator: Operator) -> None:
    claims = 'nerf_operator_watch_age_seconds{kind="persistentvolumeclaims"}'
    wait_until("some age", lambda: operator.metric(claims)[claims] > 0.5)
    lab.claim("more")
    wait_until("it is young", lambda: operator.metric(claims)[claims] < 0.5, 5)


def test_jobs_are_counted_by_condition(lab: Namespace, operator: Operator) -> None:
    suspended = 'nerf_operator_jobs{condition="Suspended"}'
    before = operator.metric(suspended)[suspended]
    lab.job(runPolicy={"suspend": True})
    lab.await_condition("Suspended", "JobSuspended")
    wait_until("it is counted", lambda: operator.metric(suspended)[suspended] == before + 1, 5)
    lab.delete("nerfjobs", "demo")
    wait_until("it is forgotten", lambda: operator.metric(suspended)[suspended] == before, 5)


def test_healthy_and_ready(operator: Operator) -> None:
    assert (operator.ask("/healthz"), operator.ask("/readyz")) == ("ok", "ok")
