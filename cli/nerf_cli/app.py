"""`kubectl nerf`: the commands. Each gathers what it was given and hands it on."""

import shlex
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from nerf_cli import (
    explaining,
    logs,
    manifest,
    options,
    origin,
    results,
    running,
    scaling,
    uploading,
    version,
    viewing,
)
from nerf_cli.cluster import Cluster, connect
from nerf_cli.copying import Others
from nerf_cli.errors import UserError
from nerf_cli.folder import Folder, describe, inspect
from nerf_cli.speaking import INTERRUPTED, Commands, complain, console, say
from nerf_contract.media import told_of_left_out

app = typer.Typer(
    cls=Commands,
    name="kubectl nerf",
    help="Photos in, a trained 3D scene out, on Kubernetes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _versions(wanted: bool) -> None:
    if wanted:
        say(f"kubectl-nerf {version.client()}")
        say(f"operator {version.operator()}")
        raise typer.Exit


@app.callback()
def _common(
    shown: Annotated[
        bool, typer.Option("--version", callback=_versions, is_eager=True, help="Show versions.")
    ] = False,
) -> None:
    pass


@app.command()
def init(
    folder: options.Folder,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write; - is the terminal.")
    ] = Path("nerfjob.yaml"),
    name: options.Name = None,
    claim: options.Claim = None,
    gpus: options.Gpus = 0,
    workers: options.Workers = 1,
    steps: options.Steps = None,
    space: options.SceneSpace = None,
    force: Annotated[bool, typer.Option(help="Replace the file if it is there.")] = False,
) -> None:
    """Look into a folder and write a NeRFJob for it, with comments."""
    found = _looked_into(folder)
    text = manifest.text(found, _wishes(found, name, claim, gpus, workers, steps, space))
    if str(output) == "-":
        sys.stdout.write(text)
        return
    if output.exists() and not force:
        raise UserError(f"{output} exists. Replace it by --force, or name another by -o.")
    output.write_text(text)
    there, file = shlex.quote(str(folder)), shlex.quote(str(output))
    say(f"wrote {output}; next: kubectl nerf run {there} -f {file}")


@app.command()
def upload(
    folder: options.Folder,
    claim: options.Claim = None,
    path: options.OnVolume = None,
    delete: options.Delete = False,
    size: options.Size = None,
    storage_class: options.StorageClass = None,
    shared: options.Shared = False,
    image: options.Image = None,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Copy a folder to a volume; what is there already is not sent again."""
    if path is not None and ".." in Path(path).parts:
        raise typer.BadParameter("--path is a folder on the volume, without ..")
    if delete and path is not None:
        _check_not_root(path)
    found = _looked_into(folder)
    name = manifest.slug(found.root.resolve().name)
    target = uploading.Target(
        claim or f"{name}-photos",
        name if path is None else path,
        size,
        storage_class,
        shared,
        image,
        "delete" if delete else "tell",
    )
    cluster = connect(namespace, context, kubeconfig)
    try:
        uploading.run(cluster, found, target, console, say)
    except KeyboardInterrupt:
        complain("interrupted; what was sent stays, and the same command goes on from there")
        raise typer.Exit(INTERRUPTED) from None


@app.command()
def run(
    folder: options.Folder,
    name: options.Name = None,
    file: options.Manifest = None,
    timeout: options.Timeout = None,
    gpus: options.Gpus = 0,
    workers: options.Workers = 1,
    steps: options.Steps = None,
    space: options.SceneSpace = None,
    replace: options.Replace = False,
    delete: options.Delete = False,
    claim: options.Claim = None,
    size: options.Size = None,
    storage_class: options.StorageClass = None,
    shared: options.Shared = False,
    image: options.Image = None,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Upload a folder, train a scene on it, and show how that goes.

    Ends with 0 only if the job succeeds, with 124 if the time is up before.
    """
    given = (name, claim, gpus, workers, steps, space)
    if file is not None and given != (None, None, 0, 1, None, None):
        raise typer.BadParameter("the job comes from -f FILE; change it there")
    found = _looked_into(folder)
    wishes = _wishes(found, *given)
    text = manifest.text(found, wishes) if file is None else file.read_text()
    source = "the job" if file is None else str(file)
    job = origin.mark(manifest.parse(text, source), found)
    place = manifest.place_of(job, source)
    others = _others(place[1], delete)
    target = uploading.Target(*place, size, storage_class, shared, image, others)
    cluster = connect(namespace, context, kubeconfig)
    try:
        running.submit(cluster, found, job, target, replace, console, say)
    except KeyboardInterrupt:
        complain("interrupted before the job was created; the same command goes on from there")
        raise typer.Exit(INTERRUPTED) from None
    _watch(cluster, job["metadata"]["name"], timeout)


@app.command()
def watch(
    name: options.Job,
    timeout: options.Timeout = None,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Show how a job goes, until it ends; exits as `run` does."""
    _watch(connect(namespace, context, kubeconfig), name, timeout)


@app.command("logs")
def show_logs(
    name: options.Job,
    follow: options.Follow = False,
    stage: options.LogStage = None,
    worker: options.Worker = None,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Print the log of a job's pod."""
    logs.run(connect(namespace, context, kubeconfig), name, follow, stage, worker)


@app.command("results")
def fetch_results(
    name: options.Job,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to copy to.")],
    checkpoints: options.Checkpoints = False,
    image: options.Image = None,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Copy what a job made to this machine; what is here already is not fetched again."""
    cluster = connect(namespace, context, kubeconfig)
    found = results.run(cluster, name, output, checkpoints, image, console, say)
    for file in found:
        say(f"  {output / file}")


@app.command()
def view(
    name: options.Job,
    port: options.Port = None,
    no_open: options.NoOpen = False,
    enable: options.Enable = False,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Look at a job's scene in a browser, while it trains and after."""
    viewing.run(connect(namespace, context, kubeconfig), name, port, enable, not no_open, say)


@app.command()
def explain(
    name: options.Job,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Tell why a job is as it is, from what it shows to the cause, and what to do."""
    explaining.run(connect(namespace, context, kubeconfig), name, say)


@app.command()
def scale(
    name: options.Job,
    workers: Annotated[int, typer.Argument(metavar="N", min=1, help="Worker pods.")],
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Give an elastic job more or fewer workers while it trains."""
    scaling.run(connect(namespace, context, kubeconfig), name, workers)
    say(f"the job {name} is asked to train with {workers} workers")


def _looked_into(path: Path) -> Folder:
    found = inspect(path)
    complain(describe(found))
    for name in found.photos.unreadable:
        complain(f"warning: {name} cannot be read as an image")
    if found.left_out:
        complain(told_of_left_out(found.left_out))
    return found


def _others(path: str, delete: bool) -> Others:
    """What becomes of files beside a job's photos; at the root of a volume lie other datasets."""
    if delete:
        _check_not_root(path)
        return "delete"
    return "refuse" if Path(path).name else "tell"


def _check_not_root(path: str) -> None:
    if not Path(path).name:
        raise typer.BadParameter("--delete at the root of the volume would delete other datasets")


def _wishes(
    folder: Folder,
    name: str | None,
    claim: str | None,
    gpus: int,
    workers: int,
    steps: int | None,
    space: manifest.Space | None,
) -> manifest.Wishes:
    path = manifest.slug(folder.root.resolve().name)
    name = name or path
    return manifest.Wishes(name, claim or f"{name}-photos", path, workers, gpus, steps, space)


def _watch(cluster: Cluster, name: str, timeout: float | None) -> None:
    try:
        code = running.watch_to_end(cluster, name, timeout, console, say)
    except KeyboardInterrupt:
        complain(f"the job goes on; `kubectl nerf watch {name}` shows it")
        code = INTERRUPTED
    raise typer.Exit(code)


def _terminated(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def main() -> None:
    """Entry point of `kubectl-nerf`."""
    signal.signal(signal.SIGTERM, _terminated)  # So that pods of ours are deleted then too.
    app(prog_name="kubectl nerf")


if __name__ == "__main__":
    main()
