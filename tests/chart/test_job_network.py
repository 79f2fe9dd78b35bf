"""NetworkPolicies of jobs: what the chart tells the operator of them."""

from operator_support.chart import kinds, render

from nerf_operator.core.network import Network
from nerf_operator.settings import Settings


def network(*values: str) -> Network | None:
    """As the operator reads it. Its peer, and the labels of its pod, in one namespace."""
    [deployment] = kinds(render(*values), "Deployment")
    template = deployment["spec"]["template"]
    env = template["spec"]["containers"][0]["env"]
    found = Settings.from_env({one["name"]: one.get("value", "") for one in env}).network
    if found is not None:
        selected = found.operator["podSelector"]["matchLabels"]
        assert selected.items() <= template["metadata"]["labels"].items()
    return found


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
