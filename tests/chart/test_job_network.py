"""NetworkPolicies of jobs: what the chart tells the operator of them."""

from typing import Any

import pytest
from operator_support.chart import ChartError, kinds, render

from nerf_operator.core.network import Network
from nerf_operator.settings import Settings


def template(*values: str) -> dict[str, Any]:
    """Of the operator's pod."""
    [deployment] = kinds(render(*values), "Deployment")
    found: dict[str, Any] = deployment["spec"]["template"]
    return found


def settings(pod: dict[str, Any]) -> Settings:
    """As the operator reads them."""
    env = pod["spec"]["containers"][0]["env"]
    return Settings.from_env({one["name"]: one.get("value", "") for one in env})


def network(*values: str) -> Network | None:
    """Its peer, and the labels of its pod, in one namespace."""
    pod = template(*values)
    found = settings(pod).network
    if found is not None:
        selected = found.operator["podSelector"]["matchLabels"]
        assert selected.items() <= pod["metadata"]["labels"].items()
    return found


def test_archives_may_come_from_the_networks_that_are_named() -> None:
    assert settings(template()).archive_networks == ()
    named = template("archiveNetworks={10.20.0.0/16,fd00:1::/32}")
    assert settings(named).archive_networks == ("10.20.0.0/16", "fd00:1::/32")


@pytest.mark.parametrize("wrong", ["10.20.0.0", "example.com", "10.0.0.0/8 "])
def test_what_is_no_network_is_refused(wrong: str) -> None:
    with pytest.raises(ChartError, match="archiveNetworks"):
        render(f"archiveNetworks={{{wrong}}}")


def test_nobody_asked_for_them() -> None:
    assert network() is None


def test_the_operator_itself_is_let_in_and_who_the_values_name() -> None:
    label = r"namespaceSelector.matchLabels.kubernetes\.io/metadata\.name"
    found = network(
        "jobNetworkPolicy.enabled=true",
        f"jobNetworkPolicy.metricsFrom[0].{label}=monitoring",
    )
    assert found is not None

    def space(name: str) -> dict[str, object]:
        return {"matchLabels": {"kubernetes.io/metadata.name": name}}

    assert found.operator["namespaceSelector"] == space("nerf-system")
    assert found.metrics_from == [{"namespaceSelector": space("monitoring")}]
    assert found.viewer_from == []
