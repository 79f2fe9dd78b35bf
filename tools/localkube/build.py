"""Building the servers, the pause image and helm, once for each state of their sources."""

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from localkube.config import CACHE_ROOT
from localkube.errors import ClusterError
from localkube.pause_image import write_archive
from localkube.shell import run, tail

SOURCES = Path(__file__).parent / "hyperkube"
KUBERNETES_VERSION = "v1.35.4"
HELM_VERSION = "v3.22.0"
HELM_MODULE = f"helm.sh/helm/v3/cmd/helm@{HELM_VERSION}"
REPORT_SECONDS = 15
Report = Callable[[str], None]


@dataclass(frozen=True)
class Built:
    """Where the results of one build lie."""

    folder: Path

    @property
    def hyperkube(self) -> Path:
        """All servers in one binary."""
        return self.folder / "hyperkube"

    @property
    def pause(self) -> Path:
        """The process that holds a node's or a pod's namespaces."""
        return self.folder / "pause"

    @property
    def pause_archive(self) -> Path:
        """OCI archive of the pods' sandbox image."""
        return self.folder / "pause.tar"

    def is_complete(self) -> bool:
        """Whether everything was built."""
        return all(path.exists() for path in (self.hyperkube, self.pause, self.pause_archive))


def build(report: Report) -> Built:
    """Build what is missing; seconds with Go's own cache, minutes without."""
    built = Built(CACHE_ROOT / "localkube" / source_hash(SOURCES))
    if not built.is_complete():
        built.folder.mkdir(parents=True, exist_ok=True)
        _build_hyperkube(built, report)
        _build_pause(built)
    _link("kubectl", built.hyperkube)
    return built


def build_helm(report: Report) -> Path:
    """Build helm from its Go module; returns the binary."""
    folder = CACHE_ROOT / f"helm-{HELM_VERSION}"
    helm = folder / "helm"
    if not helm.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / "draft"
        command = ["go", "install", "-v", "-trimpath", "-ldflags=-s -w", HELM_MODULE]
        _go(command, folder, report, "helm", {"GOBIN": str(draft)})
        (draft / "helm").rename(helm)
        draft.rmdir()
    _link("helm", helm)
    return helm


def source_hash(folder: Path) -> str:
    """Hash of all source files' names and contents, and of the version they are built as."""
    digest = hashlib.sha256(KUBERNETES_VERSION.encode())
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"\0{path.relative_to(folder)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _build_hyperkube(built: Built, report: Report) -> None:
    draft = built.folder / "hyperkube.draft"
    command = ["go", "build", "-v", "-trimpath", "-buildvcs=false"]
    command += [f"-ldflags={_link_flags()}", "-o", str(draft), "."]
    _go(command, built.folder, report, "Kubernetes", {})
    draft.rename(built.hyperkube)


def _link_flags() -> str:
    """Clients refuse a server that does not state its version."""
    package = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES_VERSION[1:].split(".")
    values = {"gitVersion": KUBERNETES_VERSION, "gitMajor": major, "gitMinor": minor}
    return " ".join(["-s -w", *(f"-X {package}.{key}={value}" for key, value in values.items())])


def _build_pause(built: Built) -> None:
    draft = built.folder / "pause.draft"
    run("gcc", "-static", "-O2", "-s", "-o", draft, SOURCES / "pause" / "pause.c")
    draft.rename(built.pause)
    write_archive(built.pause, built.pause_archive)


def _go(command: list[str], folder: Path, report: Report, what: str, extra: dict[str, str]) -> None:
    """Run one Go command and report its progress; `-v` prints a line for each package."""
    if not shutil.which("go"):
        raise ClusterError("Go 1.25 or newer is needed to build the cluster: https://go.dev/dl")
    log = folder / f"{what.lower()}-build.log"
    started = time.monotonic()
    report(f"building {what} from Go modules (minutes the first time; log: {log})")
    with log.open("wb") as out:
        environment = {**os.environ, "CGO_ENABLED": "0", **extra}
        process = subprocess.Popen(command, cwd=SOURCES, stdout=out, stderr=out, env=environment)
    try:
        _follow(process, log, started, report, what)
    finally:
        process.kill()
    if process.returncode:
        raise ClusterError(f"`{' '.join(command)}` failed:\n{tail(log, 30)}")
    report(f"built {what} in {time.monotonic() - started:.0f} s")


def _follow(
    process: subprocess.Popen[bytes], log: Path, started: float, report: Report, what: str
) -> None:
    while True:
        try:
            process.wait(REPORT_SECONDS)
            return
        except subprocess.TimeoutExpired:
            report(f"{what}: {time.monotonic() - started:4.0f} s, {progress(log.read_text())}")


def progress(log: str) -> str:
    """What a Go log says so far: modules fetched, packages compiled."""
    lines = log.splitlines()
    fetched = sum(line.startswith("go: ") for line in lines)
    return f"{fetched} modules fetched, {len(lines) - fetched} packages compiled"


def _link(name: str, target: Path) -> None:
    folder = CACHE_ROOT / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{name}.draft"
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.rename(folder / name)
