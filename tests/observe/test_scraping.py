"""What is scraped of a cluster: every process that has metrics, under the labels of its job."""

from typing import Any

from nerf_contract import names
from observe.scraping import OPERATOR, targets

PROXY = "127.0.0.1:1"


def pod(
    name: str, *ports: tuple[str, int], phase: str = "Running", **labels: str
) -> dict[str, Any]:
    """A pod of the namespace lab. labels: app, component, job."""
    keys = {"app": names.LABEL_APP, "component": names.LABEL_COMPONENT, "job": names.LABEL_JOB}
    declared = [{"name": title, "containerPort": number} for title, number in ports]
    return {
        "metadata": {
            **{"name": name, "namespace": "lab"},
            "labels": {keys[label]: value for label, value in labels.items()},
        },
        "spec": {"containers": [{"ports": declared}]},
        "status": {"phase": phase},
    }


def of_job(name: str, component: str, *ports: tuple[str, int], phase: str = "Running") -> Any:
    return pod(name, *ports, phase=phase, app=names.APP_TRAINER, component=component, job="demo")


HTTP, SECOND, COORDINATOR = ("http", 9400), ("http-1", 9401), ("coordinator", 29400)


def test_every_process_of_a_worker_is_a_target() -> None:
    worker = of_job("demo-worker-0-0", names.COMPONENT_WORKER, HTTP, SECOND, COORDINATOR)
    first, second = targets([worker], PROXY)
    assert first == {
        "targets": [PROXY],
        "labels": {
            "__metrics_path__": "/api/v1/namespaces/lab/pods/demo-worker-0-0:9400/proxy/metrics",
            **{"instance": "demo-worker-0-0:9400", "namespace": "lab"},
            **{"pod": "demo-worker-0-0", "job": "demo"},
        },
    }
    assert second["labels"]["instance"] == "demo-worker-0-0:9401"


def test_an_operator_is_a_target() -> None:
    [found] = targets([pod("nerf-0", ("http", 9500), app=OPERATOR)], PROXY)
    assert found["labels"]["job"] == OPERATOR


def test_pods_without_metrics_and_pods_that_do_not_run_are_none() -> None:
    others = [
        of_job("demo-poses-0", names.COMPONENT_POSES, HTTP),
        of_job("demo-viewer-0", names.COMPONENT_VIEWER, ("http", 8080)),
        of_job("demo-worker-1-0", names.COMPONENT_WORKER, HTTP, phase="Pending"),
    ]
    assert targets(others, PROXY) == []
