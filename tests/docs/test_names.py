"""What the documentation names exists: metrics, fields, commands, options, targets, reasons."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from nerf_cli.app import app
from nerf_contract import crd, metrics, names, reasons
from nerf_contract.v1alpha1 import NeRFJobSpec

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
every_page = pytest.mark.parametrize(
    "page", PAGES, ids=[str(path.relative_to(ROOT)) for path in PAGES]
)

METRICS = {m.name for m in (*metrics.TRAINER_METRICS, *metrics.OPERATOR_METRICS)}
SERIES = METRICS | {name + end for name in METRICS for end in ("_bucket", "_count", "_sum")}
TOP = {"properties": {"spec": crd.spec_schema(), "status": crd.status_schema()}}
SECTIONS = {
    name for name, schema in crd.spec_schema()["properties"].items() if "properties" in schema
}
COMMANDS: Any = get_command(app)
RULES = yaml.safe_load((ROOT / "charts/nerf-operator/files/rules.yaml").read_text())
ALERTS = {rule.get("alert") for group in RULES["groups"] for rule in group["rules"]}
#: Words in code that look like reasons, and are somebody else's.
OTHERS = {
    *("NeRFJob", "NeRFTraining", "StorageVersionMigrator", "ErrImagePull", "CrashLoopBackOff"),
    *("NoSchedule", "NoExecute", "PreferNoSchedule", "ScheduleAnyway", "DoNotSchedule"),
    *("NotIn", "DoesNotExist"),
}


@every_page
def test_metrics(page: Path) -> None:
    assert set(re.findall(r"\bnerf_(?:trainer|operator)_\w+", page.read_text())) <= SERIES


@every_page
def test_fields(page: Path) -> None:
    """`spec.a.b`, `status.a.b`, and `a.b` where a is a section of the spec; values may follow."""
    found = re.findall(r"`([a-z][A-Za-z0-9]*(?:\.[A-Za-z0-9]+)+)(?::[^`]*)?`", page.read_text())
    for path in found:
        first, *rest = path.split(".")
        if rest[-1] in ("py", "json", "yaml"):
            continue
        if first in SECTIONS:
            expect_field(["spec", first, *rest], path)
        elif first in TOP["properties"]:
            expect_field([first, *rest], path)


def expect_field(path: list[str], told: str) -> None:
    schema: dict[str, Any] = TOP
    for name in path:
        if schema.get("type") == "object" and "properties" not in schema:
            return  # Keys of a map are the user's.
        assert name in schema.get("properties", {}), told
        schema = schema["properties"][name]
        schema = schema.get("items", schema)


@every_page
def test_jobs(page: Path) -> None:
    """Whole jobs are valid, and so are parts of a spec, once they have photos."""
    for document in blocks(page):
        spec = document.get("spec") if isinstance(document, dict) else None
        if not spec or document.get("kind", names.KIND) != names.KIND:
            continue
        assert document.get("apiVersion", names.API_VERSION) == names.API_VERSION
        NeRFJobSpec.model_validate({"dataset": {"claimName": "photos"}} | spec)


def blocks(page: Path) -> Iterator[Any]:
    for text in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
        yield from yaml.safe_load_all(text)


@every_page
def test_commands(page: Path) -> None:
    """`kubectl nerf`, with its options."""
    for line in re.findall(r"kubectl nerf ([^`\n|)#]+)", page.read_text()):
        name, *words = line.split() or ["COMMAND"]
        if name.isupper() or name.startswith("-"):
            continue
        assert name in COMMANDS.commands, line
        known = {option for p in COMMANDS.commands[name].params for option in p.opts}
        assert {word for word in words if word.startswith("-")} <= known, line


@every_page
def test_targets(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE)) <= targets


@every_page
def test_reasons(page: Path) -> None:
    """Words in code such as `WorkerLeft`."""
    known = {value for value in vars(reasons).values() if isinstance(value, str)}
    kinds = {kind.value for kind in reasons.FailureClass}
    found = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][A-Za-z]*)+)`", page.read_text()))
    assert found - known - kinds - ALERTS <= OTHERS
