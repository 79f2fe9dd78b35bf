"""Samples of the past, as an OpenMetrics file: from the registries that the programs themselves
expose, so that names and labels are theirs."""

from collections.abc import Container
from pathlib import Path

from prometheus_client import CollectorRegistry


class History:
    """Collects what registries tell at moments of the past."""

    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}
        self._samples: dict[str, list[str]] = {}

    def scrape(
        self,
        registry: CollectorRegistry,
        labels: dict[str, str],
        moment: float,
        only: Container[str] | None = None,
    ) -> None:
        """Keep what the registry tells now as if it had been asked then.

        labels: those that scraping adds. only: names of the samples to keep; all if None.
        """
        for family in registry.collect():
            self._kinds[family.name] = family.type
            kept = self._samples.setdefault(family.name, [])
            for sample in family.samples:
                if sample.name.endswith("_created") or (only and sample.name not in only):
                    continue
                kept.append(_line(sample.name, sample.labels | labels, sample.value, moment))

    def write(self, file: Path) -> None:
        """As an OpenMetrics file."""
        lines = []
        for family, samples in self._samples.items():
            if samples:
                lines += [f"# TYPE {family} {self._kinds[family]}", *samples]
        file.write_text("\n".join([*lines, "# EOF"]) + "\n")


def _line(name: str, labels: dict[str, str], value: float, moment: float) -> str:
    inside = ",".join(f'{label}="{text}"' for label, text in sorted(labels.items()))
    return f"{name}{{{inside}}} {value!r} {moment:.3f}"
