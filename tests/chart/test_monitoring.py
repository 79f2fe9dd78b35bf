"""What Prometheus and Grafana find, on clusters with and without the Prometheus Operator; and who
gets through to the operator."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from operator_support.chart import CHART, kinds, render, template

from nerf_contract import names

Object = dict[str, Any]
SERVED = "--api-versions=monitoring.coreos.com/v1"
#: What is no template must not become one.
RULES: Object = {
    "groups": [
        {
            "name": "nerf",
            "rules": [
                {
                    "alert": "NeRFJobStalled",
                    "expr": "up == 0",
                    "annotations": {"summary": "{{ $labels.job }} stalls"},
                }
            ],
        }
    ]
}
DASHBOARD: Object = {"title": "Job", "panels": [{"legend": "{{pod}}"}]}


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """The chart with one rule and one dashboard."""
    shutil.copytree(CHART, tmp_path / "chart")
    files = tmp_path / "chart" / "files"
    shutil.rmtree(files / "dashboards", ignore_errors=True)
    (files / "dashboards").mkdir()
    (files / "rules.yaml").write_text("# Generated.\n" + yaml.safe_dump(RULES))
    (files / "dashboards" / "job.json").write_text(json.dumps(DASHBOARD, indent=2) + "\n")
    return tmp_path / "chart"


def dashboards(objects: list[Object]) -> list[Object]:
    return [obj for obj in kinds(objects, "ConfigMap") if "-dashboard-" in obj["metadata"]["name"]]


def annotations(objects: list[Object]) -> Object:
    """Of the operator's pod."""
    [deployment] = kinds(objects, "Deployment")
    found: Object = deployment["spec"]["template"]["metadata"].get("annotations", {})
    return found


def test_monitors_select_the_pods_that_serve_metrics() -> None:
    label = "--set=metrics.podMonitor.labels.release=stack"
    objects = template(SERVED, label)
    operator, workers = kinds(objects, "PodMonitor")
    [deployment] = kinds(objects, "Deployment")
    assert operator["spec"]["selector"] == deployment["spec"]["selector"]
    assert workers["spec"]["selector"]["matchLabels"] == {
        names.LABEL_MANAGED_BY: names.FIELD_MANAGER,
        names.LABEL_COMPONENT: names.COMPONENT_WORKER,
    }
    assert workers["spec"]["namespaceSelector"] == {"any": True}
    assert workers["spec"]["jobLabel"] == names.LABEL_JOB
    assert operator["spec"]["podMetricsEndpoints"] == [{"port": "http", "interval": "15s"}]
    assert all(one["metadata"]["labels"]["release"] == "stack" for one in (operator, workers))
    assert not annotations(objects)


def test_every_process_of_a_worker_is_scraped() -> None:
    _, workers = kinds(template(SERVED), "PodMonitor")
    [endpoint] = workers["spec"]["podMetricsEndpoints"]
    [kept] = endpoint["relabelings"]
    assert kept["action"] == "keep"
    assert kept["sourceLabels"] == ["__meta_kubernetes_pod_container_port_name"]
    names_of_ports = ("http", "http-1", "http-15", "coordinator", "https")
    scraped = [name for name in names_of_ports if re.fullmatch(kept["regex"], name)]
    assert scraped == ["http", "http-1", "http-15"]


def test_in_chosen_namespaces_only_their_workers_are_scraped() -> None:
    objects = template(SERVED, "--set=watchNamespaces={lab,studio}")
    _, workers = kinds(objects, "PodMonitor")
    assert workers["spec"]["namespaceSelector"] == {"matchNames": ["lab", "studio"]}


def test_without_the_prometheus_operator_the_pod_is_annotated(chart: Path) -> None:
    objects = render(chart=chart)
    assert not {"PodMonitor", "PrometheusRule"} & {obj["kind"] for obj in objects}
    assert annotations(objects) == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(names.OPERATOR_HTTP_PORT),
        "prometheus.io/path": "/metrics",
    }
    assert not annotations(render("metrics.scrapeAnnotations=false"))


def test_rules_are_handed_on_as_they_are(chart: Path) -> None:
    label = "--set=metrics.podMonitor.labels.release=stack"
    [rule] = kinds(template(SERVED, label, chart=chart), "PrometheusRule")
    assert rule["spec"] == RULES
    assert rule["metadata"]["labels"]["release"] == "stack"


def test_there_are_no_alerts_on_what_nothing_scrapes(chart: Path) -> None:
    unseen = template(SERVED, "--set=metrics.podMonitor.enabled=false", chart=chart)
    assert kinds(unseen, "PrometheusRule") == []


def test_dashboards_are_handed_on_as_they_are(chart: Path) -> None:
    values = ("dashboards.namespace=monitoring", "dashboards.annotations.grafana_folder=NeRF")
    [config] = dashboards(render(*values, chart=chart))
    assert {k: json.loads(v) for k, v in config["data"].items()} == {"nerf-job.json": DASHBOARD}
    assert config["metadata"]["namespace"] == "monitoring"
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert config["metadata"]["annotations"] == {"grafana_folder": "NeRF"}


GRAFANA_OPERATOR = "--api-versions=grafana.integreatly.org/v1beta1"


def test_grafana_operator_is_led_to_the_same_dashboards(chart: Path) -> None:
    flags = [
        f"--set=dashboards.{value}" for value in ("grafanaOperator.enabled=true", "namespace=m")
    ]
    objects = template(GRAFANA_OPERATOR, *flags, chart=chart)
    [config], [shown] = dashboards(objects), kinds(objects, "GrafanaDashboard")
    assert shown["metadata"]["namespace"] == config["metadata"]["namespace"] == "m"
    reference = shown["spec"]["configMapRef"]
    assert reference["name"] == config["metadata"]["name"]
    assert json.loads(config["data"][reference["key"]]) == DASHBOARD
    assert shown["spec"]["instanceSelector"] == {"matchLabels": {"dashboards": "grafana"}}
    assert (shown["spec"]["folder"], shown["spec"]["allowCrossNamespaceImport"]) == ("NeRF", True)


def test_grafana_operator_is_neither_taken_for_granted_nor_used_unasked(chart: Path) -> None:
    asked = template("--set=dashboards.grafanaOperator.enabled=true", chart=chart)
    unasked = template(GRAFANA_OPERATOR, chart=chart)
    assert kinds(asked, "GrafanaDashboard") == kinds(unasked, "GrafanaDashboard") == []


def test_without_files_there_is_neither(chart: Path) -> None:
    (chart / "files" / "rules.yaml").unlink()
    shutil.rmtree(chart / "files" / "dashboards")
    objects = template(SERVED, chart=chart)
    assert kinds(objects, "PrometheusRule") == dashboards(objects) == []
    assert len(kinds(objects, "PodMonitor")) == 2


def test_each_can_be_switched_off(chart: Path) -> None:
    sections = ("metrics.podMonitor", "metrics.rules", "dashboards")
    flags = [f"--set={section}.enabled=false" for section in sections]
    objects = template(SERVED, *flags, chart=chart)
    assert not {"PodMonitor", "PrometheusRule", "ConfigMap"} & {obj["kind"] for obj in objects}


PEER = "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.name"


def test_only_who_is_named_gets_through_to_the_operator() -> None:
    [policy] = kinds(render("networkPolicy.enabled=true", f"{PEER}=prom"), "NetworkPolicy")
    [deployment] = kinds(render(), "Deployment")
    assert policy["spec"]["podSelector"] == deployment["spec"]["selector"]
    [way] = policy["spec"]["ingress"]
    assert way["from"] == [{"namespaceSelector": {"matchLabels": {"name": "prom"}}}]
    assert way["ports"] == [{"port": names.OPERATOR_HTTP_PORT}]


def test_without_a_name_no_one_gets_through() -> None:
    [policy] = kinds(render("networkPolicy.enabled=true"), "NetworkPolicy")
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy["spec"]
    assert kinds(render(), "NetworkPolicy") == []


@pytest.mark.parametrize(
    ("namespaces", "where"),
    [
        ("{}", {}),
        (
            "{lab}",
            {
                "matchExpressions": [
                    {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["lab"]}
                ]
            },
        ),
    ],
)
def test_the_operator_reaches_dns_the_api_server_and_pods_of_jobs(
    namespaces: str, where: Object
) -> None:
    values = ["networkPolicy.enabled=true", "networkPolicy.apiServerPorts={443}"]
    objects = render(*values, *([f"watchNamespaces={namespaces}"] if where else []))
    [policy] = kinds(objects, "NetworkPolicy")
    dns, api, jobs = policy["spec"]["egress"]
    asked = {(port["port"], port["protocol"]) for port in dns["ports"]}
    assert asked == {(port, kind) for port in (53, 5353) for kind in ("UDP", "TCP")}
    assert dns["to"] == [{"namespaceSelector": {}}, {"ipBlock": {"cidr": "169.254.20.10/32"}}]
    assert api == {"ports": [{"port": 443}]}
    labels = {names.LABEL_MANAGED_BY: names.FIELD_MANAGER}
    assert jobs == {
        "to": [{"namespaceSelector": where, "podSelector": {"matchLabels": labels}}],
        "ports": [{"port": names.TRAINER_HTTP_PORT}],
    }
