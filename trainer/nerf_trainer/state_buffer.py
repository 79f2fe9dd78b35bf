"""A copy of the state in memory that is a safetensors file as it stands: writing copies nothing."""

import json
from collections.abc import Mapping

import torch
from torch import Tensor

from nerf_trainer.state_layout import views, widest_first

#: The names of data types in a safetensors file.
DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


class StateBuffer:
    """Room for tensors of these names, shapes and data types, allocated and touched once.

    On a GPU the copy is made there first, so that the next step may change the state at once; a
    stream of its own brings it to pinned memory.
    """

    def __init__(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        cuda = device.type == "cuda"
        ordered = widest_first(tensors)
        header = _header(ordered)  # A multiple of 8 long, so that what follows is aligned.
        size = sum(tensor.nbytes for tensor in tensors.values())
        self._file = torch.empty(len(header) + size, dtype=torch.uint8, pin_memory=cuda)
        self._file.fill_(0)  # A page that was never touched costs a fault, in the middle of a step.
        self._file[: len(header)] = torch.frombuffer(bytearray(header), dtype=torch.uint8)
        self._body = self._file[len(header) :]
        self._near = torch.empty_like(self._body, device=device) if cuda else self._body
        self._stream = torch.cuda.Stream(device) if cuda else None
        self._views = views(self._near, ordered)

    @property
    def nbytes(self) -> int:
        """Size of the file."""
        return self._file.nbytes

    @torch.no_grad()
    def fill(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy the tensors as they are now. Not before `data` of the last copy was used."""
        for name, view in self._views.items():
            view.copy_(tensors[name], non_blocking=True)
        if self._stream is not None:
            self._stream.wait_stream(torch.cuda.current_stream(self._near.device))
            with torch.cuda.stream(self._stream):
                self._body.copy_(self._near, non_blocking=True)

    def data(self) -> memoryview:
        """The file, once the copy is complete. Any thread may wait for it."""
        if self._stream is not None:
            self._stream.synchronize()
        return memoryview(self._file.numpy())


def _header(tensors: Mapping[str, Tensor]) -> bytes:
    """The start of a safetensors file that holds the tensors one after the other."""
    entries, start = {}, 0
    for name, tensor in tensors.items():
        entries[name] = {
            "dtype": DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, start + tensor.nbytes],
        }
        start += tensor.nbytes
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
