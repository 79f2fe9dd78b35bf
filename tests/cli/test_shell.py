"""Commands with bytes in and out: a failed command is told from a lost connection."""

from typing import IO

import pytest

from nerf_cli.shell import CommandFailedError, ConnectionLostError, Shell

#: Runs what it is given with the last words that kubectl would add.
AS_KUBECTL = (
    "sh",
    "-c",
    '"$@" || { c=$?; echo "command terminated with exit code $c" >&2; exit 1; }',
)
REMOTE = Shell((*AS_KUBECTL, "exec"))


def test_input_and_output_may_be_larger_than_any_pipe() -> None:
    block = bytes(range(256)) * 4096

    def feed(pipe: IO[bytes]) -> None:
        for _ in range(8):
            pipe.write(block)

    assert REMOTE.run(["cat"], feed) == block * 8


def test_a_command_that_fails_is_not_a_lost_connection() -> None:
    with pytest.raises(CommandFailedError, match="a reason"):
        REMOTE.run(["sh", "-c", "echo a reason >&2; exit 3"])


@pytest.mark.parametrize(
    ("shell", "script"),
    [(Shell(("env",)), "echo error: dial tcp >&2; exit 1"), (REMOTE, "kill -9 $$")],
)
def test_without_the_commands_own_end_the_connection_is_lost(shell: Shell, script: str) -> None:
    with pytest.raises(ConnectionLostError):
        shell.run(["sh", "-c", script])


def test_a_command_that_stops_reading_is_told_by_its_own_words() -> None:
    def feed(pipe: IO[bytes]) -> None:
        for _ in range(100):
            pipe.write(b"x" * 65536)

    with pytest.raises(CommandFailedError, match="enough"):
        REMOTE.run(["sh", "-c", "head -c 10 > /dev/null; echo enough >&2; exit 1"], feed)


def test_errors_of_either_side_come_through_and_end_the_command() -> None:
    def feed(pipe: IO[bytes]) -> None:
        raise OSError("this file is gone")

    def drain(output: IO[bytes]) -> None:
        output.read(1)
        raise OSError("this disk is full")

    with pytest.raises(OSError, match="this file is gone"):
        REMOTE.run(["cat"], feed)
    with pytest.raises(OSError, match="this disk is full"):
        REMOTE.stream(["yes"], drain)
