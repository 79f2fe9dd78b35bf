"""The command line: its verbs do not change unnoticed, its errors are messages."""

import pytest

from localkube.cli import NODE_FAULTS, SERVER_FAULTS, main, parser


def test_the_verbs() -> None:
    usages = [
        ["up", "--nodes", "3", "--gpus", "2"],
        ["down"],
        ["status"],
        ["build"],
        ["kubeconfig"],
        ["images", "load", "a.tar", "b.tar"],
        ["node", "kill", "node1"],
        ["node", "revive", "node1"],
        ["kubelet", "stop", "node1"],
        ["kubelet", "start", "node1"],
        ["containerd", "restart", "node1"],
        ["net", "cut", "node1"],
        ["net", "mend", "node1"],
        ["apiserver", "stop"],
        ["apiserver", "start"],
        ["dns", "stop"],
        ["dns", "start"],
    ]
    assert [parser().parse_args(usage).verb for usage in usages] == [u[0] for u in usages]
    faults = {tuple(usage[:2]) for usage in usages[6:]}
    assert faults == {*NODE_FAULTS, *SERVER_FAULTS}


def test_up_has_two_nodes_and_no_gpus_by_default() -> None:
    arguments = parser().parse_args(["up"])
    assert (arguments.nodes, arguments.gpus) == (2, 0)


def test_an_error_is_one_message_and_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCALKUBE_INSTANCE", "lk8")
    assert main(["kubeconfig"]) == 1
    assert capsys.readouterr().err == "localkube: no cluster is up: run `localkube up`\n"
