"""Reads TensorBoard's event files: records of length, checksum, Event, checksum."""

import struct
from pathlib import Path
from typing import Any

from tensorboardX.proto.event_pb2 import Event


def read_events(folder: Path) -> list[Any]:
    """The events of all files, in the order in which TensorBoard reads them."""
    found = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack_from("<Q", data)
            found.append(Event.FromString(data[12 : 12 + length]))
            data = data[12 + length + 4 :]
    return found


def curves(events: list[Any]) -> dict[str, list[tuple[int, Any]]]:
    """Steps and values by tag."""
    found: dict[str, list[tuple[int, Any]]] = {}
    for event in events:
        for value in event.summary.value:
            point = value.image if value.HasField("image") else value.simple_value
            found.setdefault(value.tag, []).append((event.step, point))
    return found
