"""When a node counts as ready."""

import pytest

from localkube.cluster import lacking

NOW = "2026-01-01T00:00:10Z"
EPOCH = 1767225610.0  # NOW in seconds since 1970


def node(status: str = "True", gpus: int = 0) -> dict[str, object]:
    ready = {"type": "Ready", "status": status, "message": "why", "lastHeartbeatTime": NOW}
    allocatable = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    return {"status": {"conditions": [ready], "allocatable": allocatable}}


@pytest.mark.parametrize(
    ("found", "has_driver", "since", "want"),
    [
        (None, False, 0.0, "not registered"),
        ({"status": {"allocatable": {}}}, True, 0.0, "no heartbeat yet"),
        (node(gpus=2), True, EPOCH + 5, "no heartbeat yet"),
        (node(status="False"), True, EPOCH, "why"),
        (node(gpus=2), False, EPOCH, "storage driver not registered"),
        (node(gpus=1), True, EPOCH, "nvidia.com/gpu is not 2"),
        (node(gpus=2), True, EPOCH + 0.9, ""),
    ],
)
def test_what_a_node_lacks(
    found: dict[str, object] | None, has_driver: bool, since: float, want: str
) -> None:
    assert lacking(found, has_driver, 2, since) == want


def test_a_cluster_without_gpus_wants_none() -> None:
    assert lacking(node(), True, 0, EPOCH) == ""
