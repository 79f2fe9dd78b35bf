"""Tensors one after the other in bytes: in files, and in what one process sends another."""

from collections.abc import Mapping

from torch import Tensor


def widest_first(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """In the order in which they lie: each is then aligned, where the first one is."""
    ordered = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    return {name: tensors[name] for name in ordered}


def views(body: Tensor, ordered: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The places of the tensors in the body (bytes,), as tensors of their shapes and types."""
    sizes = [tensor.nbytes for tensor in ordered.values()]
    parts = zip(ordered.items(), body.split(sizes), strict=True)
    return {name: part.view(t.dtype).view(t.shape) for (name, t), part in parts}
