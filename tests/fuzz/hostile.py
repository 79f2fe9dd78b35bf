"""What strangers may send: documents and bytes that are almost right, and such as never were.

A case that once failed stays, as an `@example` of its test.
"""

import copy
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

Document = Any
Place = tuple[Any, ...]

#: Cases of a parser: few in `make test`, 100,000 in `make fuzz`.
CASES = int(os.environ.get("NERF_FUZZ_CASES") or 100)
fuzzed = settings(
    max_examples=CASES,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)

DEEP = b"[" * 100_000
HUGE = 10**400
#: Values at which programs stumble.
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, HUGE, -HUGE),
    *(0.5, -0.0, 5e-324, 1e-200, 1e39, 1e308, -1e308, float("nan"), float("inf"), float("-inf")),
    *("", " ", "0", "²", "NaN", "a" * 5000, "\0", "a\0b", "\ud800", "\udcff", "\u202e", "é" * 300),
    *("..", "../../etc/passwd", "/etc/passwd", "a/../b", "$(id)", "`id`", "%s%n", "{0}", "C:\\x"),
    *([], {}, [[]], {"a": {}}, [None], [0] * 100, {"": 1}),
)
odd_values = st.one_of(
    st.sampled_from(ODD_VALUES),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=5,
    ),
)


def places(document: Document, here: Place = ()) -> Iterator[Place]:
    """The place of every value in a document of dicts and lists."""
    entries: Any = ()
    if isinstance(document, dict):
        entries = document.items()
    elif isinstance(document, list):
        entries = enumerate(document)
    for key, value in entries:
        yield (*here, key)
        yield from places(value, (*here, key))


def replaced(document: Document, place: Place, change: Callable[[Any, Any], None]) -> Document:
    """A copy, in which `change` was called with what holds the place, and its key there."""
    made = copy.deepcopy(document)
    holder = made
    for key in place[:-1]:
        holder = holder[key]
    change(holder, place[-1])
    return made


def _set(value: Any) -> Callable[[Any, Any], None]:
    return lambda holder, key: holder.__setitem__(key, value)


@st.composite
def mutated(draw: st.DrawFn, document: Document) -> Document:
    """The document with up to four values replaced, removed, added or exchanged."""
    for _ in range(draw(st.integers(1, 4))):
        known = list(places(document))
        if not known:
            return document
        place = draw(st.sampled_from(known))
        kind = draw(st.sampled_from(("value", "value", "value", "remove", "add", "exchange")))
        if kind == "remove":
            document = replaced(document, place, lambda holder, key: holder.pop(key))
        elif kind == "add":
            more = draw(odd_values)
            document = replaced(document, place, _set({"surprise": more}))
        elif kind == "exchange":
            other: Any = document
            for key in draw(st.sampled_from(known)):
                other = other[key]
            document = replaced(document, place, _set(copy.deepcopy(other)))
        else:
            document = replaced(document, place, _set(draw(odd_values)))
    return document


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes, cut, with some overwritten, inserted, doubled or flipped."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        kind = draw(st.sampled_from(("cut", "write", "insert", "double", "flip")))
        if kind == "cut":
            data = data[:at]
        elif kind == "write":
            new = draw(st.sampled_from(ODD_BYTES) | st.binary(min_size=1, max_size=8))
            data = data[:at] + new + data[at + len(new) :]
        elif kind == "insert":
            data = data[:at] + draw(st.binary(min_size=1, max_size=16)) + data[at:]
        elif kind == "double":
            data = data[:at] + data[at : at + 64] + data[at:]
        elif data:
            bit = 1 << draw(st.integers(0, 7))
            data = data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
    return data


#: Lengths and counts that are too large, in binary formats.
ODD_BYTES = (
    *(b"\0" * 4, b"\xff" * 4, b"\xff" * 8, b"\0\0\0\x80", b"\xff\xff\xff\x7f"),
    *(b"\0" * 7 + b"\x10", b"\0\0\0\0\x01\0\0\0", b"\0" * 8),
)


def texts(document: Document) -> st.SearchStrategy[bytes]:
    """JSON of mutated documents, and damaged JSON of this one."""
    return st.one_of(
        mutated(document).map(lambda made: json.dumps(made).encode()),
        damaged(json.dumps(document).encode()),
        st.sampled_from((DEEP, b"9" * 10_000, b"", b"null", b"\xff\xfe", b'{"a":' * 50_000)),
    )
