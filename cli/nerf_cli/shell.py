"""Commands in a pod, with bytes in and out. Memory stays bounded: pipes push back."""

import subprocess
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TypeVar

T = TypeVar("T")
Feed = Callable[[IO[bytes]], None]

#: What kubectl says when the command itself ended; without it, the connection did.
_ENDED = "command terminated with exit code"
#: A container that is killed takes its commands with it.
_KILLED = f"{_ENDED} 137"


class CommandFailedError(Exception):
    """The command ended with an error; the message is what it wrote."""


class ConnectionLostError(Exception):
    """The way to the pod, or the pod, is gone: trying again may help."""


@dataclass(frozen=True)
class Shell:
    """Where commands run. prefix: what leads there, such as `kubectl exec -i POD --`."""

    prefix: tuple[str, ...] = ()

    def run(self, argv: list[str], feed: Feed | None = None) -> bytes:
        """Output of the command; `feed` writes its input. Raises as `stream` does."""
        return self.stream(argv, lambda output: output.read(), feed)

    def stream(
        self, argv: list[str], drain: Callable[[IO[bytes]], T], feed: Feed | None = None
    ) -> T:
        """What `drain` makes of the command's output.

        Raises CommandFailedError, ConnectionLostError, and whatever `feed` or `drain` raise.
        """
        with tempfile.TemporaryFile() as words:
            process = subprocess.Popen(
                [*self.prefix, *argv],
                stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=words,
            )
            feeder = _Feeder(process, feed)
            try:
                assert process.stdout is not None
                with process.stdout as output:
                    result = drain(output)
                feeder.finish()
            except BaseException:
                process.kill()
                raise
            finally:
                process.wait()
            words.seek(0)
            self._check(process.returncode, words.read(65536).decode(errors="replace").strip())
        return result

    def _check(self, code: int, words: str) -> None:
        if code == 0:
            return
        if self.prefix and (_ENDED not in words or _KILLED in words):
            raise ConnectionLostError(words or f"exit code {code}")
        raise CommandFailedError(words or f"exit code {code}")


class _Feeder:
    """Writes a command's input while another thread reads its output."""

    def __init__(self, process: subprocess.Popen[bytes], feed: Feed | None) -> None:
        self._process = process
        self._feed = feed
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        pipe = self._process.stdin
        if pipe is None or self._feed is None:
            return
        try:
            with pipe:
                self._feed(pipe)
        except BrokenPipeError:
            pass  # The command's own exit tells why it does not read on.
        except Exception as error:
            self._error = error
            self._process.kill()

    def finish(self) -> None:
        """Wait until all is written. Raises what the feed raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
