"""Where words go: lines for people, and errors as sentences with an exit code."""

from functools import partial
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from nerf_cli.errors import EXPLAINED, UserError, sentence

INTERRUPTED = 130
console = Console()
say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
complain = partial(Console(stderr=True).print, markup=False, highlight=False, soft_wrap=True)


class Commands(TyperGroup):
    """All commands: what goes wrong in one is said in a sentence."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises typer.Exit."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except UserError as error:
            complain(f"error: {error}")
        except EXPLAINED as error:
            complain(f"error: {sentence(error)}")
        except KeyboardInterrupt:
            complain("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        raise typer.Exit(1)
