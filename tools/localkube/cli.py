"""The command line."""

import argparse
import fcntl
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from localkube import faults, images, status
from localkube.build import build, build_helm
from localkube.cluster import Cluster, bring_up
from localkube.config import STATE_ROOT, Instance
from localkube.errors import ClusterError
from localkube.teardown import tear_down

LOCK = STATE_ROOT / "lock"
NODE_FAULTS: dict[tuple[str, str], Callable[[Cluster, str], None]] = {
    ("node", "kill"): faults.kill_node,
    ("node", "revive"): faults.revive_node,
    ("kubelet", "stop"): faults.stop_kubelet,
    ("kubelet", "start"): faults.start_kubelet,
    ("containerd", "restart"): faults.restart_containerd,
    ("net", "cut"): faults.cut_network,
    ("net", "mend"): faults.mend_network,
}
SERVER_FAULTS: dict[tuple[str, str], Callable[[Cluster], None]] = {
    ("apiserver", "stop"): faults.stop_apiserver,
    ("apiserver", "start"): faults.start_apiserver,
    ("dns", "stop"): faults.stop_dns,
    ("dns", "start"): faults.start_dns,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status."""
    arguments = parser().parse_args(argv)
    try:
        arguments.action(Instance.from_environment(), arguments)
    except ClusterError as error:
        print(f"localkube: {error}", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"localkube: this needs root, run it with sudo ({error})", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("localkube: interrupted; `up` goes on from here, `down` cleans up", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """All verbs and their arguments."""
    top = argparse.ArgumentParser(prog="localkube", description=sys.modules["localkube"].__doc__)
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    up = _verb(verbs, "up", _up, "bring the cluster up, or bring up what is missing of it")
    up.add_argument("--nodes", type=int, default=2, help="number of nodes (2)")
    up.add_argument("--gpus", type=int, default=0, help="fake nvidia.com/gpu a node (0)")
    _verb(verbs, "down", _down, "end the cluster and leave the machine as it was")
    _verb(verbs, "status", _status, "show what runs")
    _verb(verbs, "kubeconfig", _kubeconfig, "print the path of the kubeconfig")
    build_verb = _verb(verbs, "build", _build, "build servers, kubectl and helm into the cache")
    build_verb.add_argument("--without-helm", action="store_true", help="leave helm out")
    load = verbs.add_parser("images", help="bring images in").add_subparsers(required=True)
    load_verb = _verb(load, "load", _load, "load OCI archives or layout folders")
    load_verb.add_argument("archive", type=Path, nargs="+")
    _add_faults(verbs)
    return top


def _add_faults(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    groups: dict[str, argparse._SubParsersAction[argparse.ArgumentParser]] = {}
    for noun, action in (*NODE_FAULTS, *SERVER_FAULTS):
        if noun not in groups:
            group = verbs.add_parser(noun, help="for fault tests")
            groups[noun] = group.add_subparsers(required=True, metavar="ACTION")
        fault = NODE_FAULTS.get((noun, action)) or SERVER_FAULTS[noun, action]
        verb = _verb(groups[noun], action, _fault, (fault.__doc__ or "").strip())
        verb.set_defaults(fault=(noun, action))
        if (noun, action) in NODE_FAULTS:
            verb.add_argument("node")


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    action: Callable[[Instance, argparse.Namespace], None],
    text: str,
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=text, description=text)
    verb.set_defaults(action=action)
    return verb


def _up(instance: Instance, arguments: argparse.Namespace) -> None:
    with _alone():
        bring_up(instance, arguments.nodes, arguments.gpus, _report)
    _report(f"export KUBECONFIG={instance.kubeconfig}")


def _down(instance: Instance, _: argparse.Namespace) -> None:
    with _alone():
        tear_down(instance)
    _report("the cluster is down")


def _status(instance: Instance, _: argparse.Namespace) -> None:
    _report(status.describe(Cluster.existing(instance, _report)))


def _kubeconfig(instance: Instance, _: argparse.Namespace) -> None:
    if not instance.kubeconfig.exists():
        raise ClusterError("no cluster is up: run `localkube up`")
    _report(str(instance.kubeconfig))


def _build(_: Instance, arguments: argparse.Namespace) -> None:
    _report(f"servers: {build(_report).folder}")
    if not arguments.without_helm:
        _report(f"helm: {build_helm(_report)}")


def _load(instance: Instance, arguments: argparse.Namespace) -> None:
    with _alone():
        cluster = Cluster.existing(instance, _report)
        running = [node for node in cluster.nodes if node.keeper.is_running()]
        images.load(instance, running, arguments.archive, _report)


def _fault(instance: Instance, arguments: argparse.Namespace) -> None:
    with _alone():
        cluster = Cluster.existing(instance, _report)
        if arguments.fault in NODE_FAULTS:
            NODE_FAULTS[arguments.fault](cluster, arguments.node)
        else:
            SERVER_FAULTS[arguments.fault](cluster)


@contextmanager
def _alone() -> Iterator[None]:
    """Let one verb at a time change the machine, whatever the instance."""
    if os.geteuid() != 0:
        raise ClusterError("this needs root: run it with sudo")
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _report(line: str) -> None:
    print(line, flush=True)
