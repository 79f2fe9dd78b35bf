"""Bringing a finished job's results from its volume to this machine."""

import json
import subprocess
from pathlib import Path

from demo import pods, sample, shell, watch

READER = "nerf-demo-reader"


def fetch(job: str, namespace: str, out: Path) -> None:
    """Copy pictures and metrics.json of the job to `out`, through a pod that mounts the volume."""
    out.mkdir(parents=True, exist_ok=True)
    manifest = json.dumps(_reader(job, namespace))
    _delete(namespace)
    try:
        subprocess.run(
            ["kubectl", "apply", "-n", namespace, "-f", "-"],
            input=manifest,
            text=True,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        wait = ["kubectl", "wait", f"pod/{READER}", "-n", namespace, "--timeout=120s"]
        subprocess.run([*wait, "--for=condition=Ready"], check=True, stdout=subprocess.DEVNULL)
        _copy(job, namespace, out)
    finally:
        _delete(namespace)


def _copy(job: str, namespace: str, out: Path) -> None:
    tar = ["tar", "-C", f"{pods.MOUNT}/{job}", "-cf", "-", "metrics.json", "renders"]
    command = ["kubectl", "exec", "-n", namespace, READER, "--", *tar]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as packed:
        subprocess.run(["tar", "-C", str(out), "-xf", "-"], stdin=packed.stdout, check=True)
    if packed.returncode:
        raise subprocess.CalledProcessError(packed.returncode, command)


def _delete(namespace: str) -> None:
    shell.kubectl("delete", "pod", READER, "-n", namespace, "--ignore-not-found", "--now")


def _reader(job: str, namespace: str) -> dict[str, object]:
    image, claim = _trainer_image(job, namespace), f"{job}-checkpoint"
    return pods.pod_with_claim(READER, image, ["sleep", "300"], claim, read_only=True)


def _trainer_image(job: str, namespace: str) -> str:
    resource = watch.get(job, namespace) or {}
    return str(resource.get("status", {}).get("image") or sample.TRAINER)


def report(job: watch.Job, out: Path) -> None:
    """Say what was reached, where it lies and what to try next."""
    progress = job["status"]["progress"]
    shell.say(f"Succeeded: held-out PSNR {progress['psnr']:.2f} dB at step {progress['step']}")
    for picture in sorted((out / "renders").glob("*.png"))[-1:]:
        print(f"\n  truth and render, side by side:  {picture}")
    print(f"  figures:                         {out / 'metrics.json'}")
    print(
        "\nTry next:\n"
        '  export KUBECONFIG="$(tools/localkube/localkube kubeconfig)" '
        'PATH="$HOME/.cache/nerf-operator/bin:$PATH"\n'
        "  kubectl get nerfjobs\n"
        "  kubectl describe nerfjob demo\n"
        "  kubectl delete nerfjob demo && kubectl apply -f manifests/samples/nerfjob.yaml\n"
        "  kubectl delete pod -l nerfops.dev/job=demo    # while it trains: it goes on\n"
        "  make cluster-down                             # remove the cluster without a trace"
    )
