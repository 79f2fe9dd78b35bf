"""A link of the chain from what a job shows to why it does."""

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Finding:
    """What is so, and what to do about it ("" where the next link says it, or nothing helps).

    quotes: words of others. depth: 0 for an effect, one more towards its cause.
    """

    what: str
    todo: str = ""
    quotes: tuple[str, ...] = ()
    depth: int = 0


def because(causes: Iterable[Finding]) -> list[Finding]:
    """The same, as causes of what goes before them."""
    return [replace(cause, depth=cause.depth + 1) for cause in causes]


def lines(finding: Finding) -> list[str]:
    """As text."""
    indent = "  " * finding.depth
    word = "because " if finding.depth else ""
    todo = [f"{indent}  -> {finding.todo}"] if finding.todo else []
    quotes = [f"{indent}  | {line}" for words in finding.quotes for line in words.splitlines()]
    return [f"{indent}{word}{' '.join(finding.what.split())}", *quotes, *todo]
