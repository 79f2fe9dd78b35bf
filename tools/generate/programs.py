"""The reference pages of the programs: the commands of `kubectl nerf`, and all exit codes."""

import os
import signal
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from generate.reference import page, table
from nerf_cli import running, speaking
from nerf_cli.app import app
from nerf_contract import reasons

TERMINATED = str(128 + signal.SIGTERM)


def commands() -> str:
    """docs/reference/cli.md"""
    group: Any = get_command(app)
    return page(
        "Commands of kubectl nerf",
        "[kubectl nerf](../cli.md) tells what they are for; their [exit codes](exit-codes.md) "
        "are all in one place.",
        *(part for name, command in group.commands.items() for part in _command(name, command)),
    )


def _command(name: str, command: Any) -> Iterator[str]:
    given = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    words = " ".join(["kubectl nerf", name, *(_argument(p) for p in given), "[OPTIONS]"])
    yield f"## {name}"
    yield " ".join(command.help.split())
    yield f"```console\n{words}\n```"
    rows = [(f"`{_argument(p)}`", p.help or "") for p in given]
    context = command.make_context(name, [], resilient_parsing=True)
    rows += [_option(p, p.display_type(context)) for p in options]
    yield table(("Argument or option", "Meaning"), rows)


def _argument(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _option(option: Any, kind: str) -> tuple[str, str]:
    spelled = ", ".join(sorted([*option.opts, *option.secondary_opts], key=len))
    value = "" if option.is_flag else f" {option.metavar or kind}"
    shown = option.default is not None and not option.is_flag
    return f"`{spelled}{value}`", option.help + (f" Default: `{option.default}`." if shown else "")


def exit_codes() -> str:
    """docs/reference/exit-codes.md"""
    failures = sorted(reasons.FAILURES.values(), key=lambda failure: failure.exit_code)
    return page(
        "Exit codes",
        "## Pods of a job",
        "Of the trainer's process in workers, and in the pods that find poses or make outputs. "
        "`kubectl describe pod` shows them, and the pod's termination message has the reason and a "
        "sentence. Which ones are tried again is in "
        "[ways for a pod to end](conditions.md#ways-for-a-pod-to-end).",
        table(("Code", "Reason", "Meaning"), [_ZERO, *map(_failure, failures), *_OF_SIGNALS]),
        "The container of a worker shows torchrun's own code where a process of it failed: go by "
        "the termination message. `python3 -m nerf_trainer`, the container without Kubernetes, "
        "ends with the code of the first stage that failed.",
        "## kubectl nerf",
        table(("Code", "Meaning"), _CLI),
        "## The operator and the coordinator",
        table(("Program", "Code", "Meaning"), _SERVERS),
    )


def _failure(failure: reasons.Failure) -> tuple[str, str, str]:
    return str(failure.exit_code), f"`{failure.reason}`", failure.meaning


_ZERO = ("0", "", "It has done what it was for.")
_OF_SIGNALS = (
    ("126, 127", f"`{reasons.IMAGE_UNUSABLE}`", "The image lacks the trainer's programs."),
    (str(128 + signal.SIGKILL), "", "The kernel or the kubelet killed it, mostly for its memory."),
    (TERMINATED, "", "A stage was told to end (SIGTERM)."),
)
_CLI = (
    ("0", "It is done; of `run` and `watch`: the job succeeded."),
    ("1", "It went wrong; a sentence says what. Of `run` and `watch` also: the job failed."),
    ("2", "Wrong usage."),
    (str(running.TIMED_OUT), "`--timeout` of `run` or `watch` was over; the job goes on."),
    (str(speaking.INTERRUPTED), "Ctrl-C; a job that was created goes on."),
    (TERMINATED, "It was told to end (SIGTERM); pods of its own were deleted."),
)
_SERVERS = (
    ("operator", "0", "It was told to end."),
    ("operator", "1", "The Lease is lost or cannot be kept, or an unexpected error."),
    ("operator", "2", "A setting in its environment makes no sense; the log names the variable."),
    ("coordinator", "0", "It was told to end."),
    ("coordinator", str(os.EX_CONFIG), "The file with the job's token is missing or empty."),
)
