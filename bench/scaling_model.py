"""What a job of more GPUs would do, from figures that were measured on one.

One H100, `hashgrid` with the settings of manifests/samples/nerfjob-gpu.yaml: see
docs/benchmarks/2026-11-26-h100.md. The global batch stays the same, so a step of n GPUs takes

    (draw + forward + backward) / n  +  optimizer + occupancy  +  all-reduce(n)

where the all-reduce of B bytes is a ring: 2 (n - 1) / n * B / bandwidth + 2 (n - 1) * latency,
within a machine over NVLink and between machines over the network, one after the other.
"""

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class Step:
    """Seconds of a step on one GPU: what its rays take, and what each GPU does for itself."""

    shared: float
    own: float


@dataclass(frozen=True)
class Link:
    """Bytes a second that a GPU (or a machine) sends, and seconds that a message takes."""

    bandwidth: float
    latency: float


#: Of 16,384 rays.
MEASURED: Final = Step(shared=0.0219, own=0.0012)
#: fp32; nearly all of them are the tables'.
GRADIENT_BYTES: Final = 39_736_056
NVLINK: Final = Link(bandwidth=300e9, latency=5e-6)
NETWORK: Final = Link(bandwidth=25e9, latency=20e-6)
GPUS_PER_MACHINE: Final = 8


def predictions() -> dict[str, Any]:
    """Efficiency of 8 and 64 GPUs, with the same batch and with one that grows with them."""
    return {
        str(gpus): {
            "same_batch": round(efficiency(gpus), 3),
            "batch_times_gpus": round(efficiency(gpus, batch=gpus), 3),
            "all_reduce_ms": round(all_reduce_seconds(gpus) * 1000, 2),
        }
        for gpus in (8, 64)
    }


def efficiency(gpus: int, batch: int = 1) -> float:
    """Rays/s of so many GPUs by as often those of one. batch: in batches of the measured step."""
    alone = MEASURED.shared + MEASURED.own
    together = batch * MEASURED.shared / gpus + MEASURED.own + all_reduce_seconds(gpus)
    return batch * alone / (gpus * together)


def all_reduce_seconds(gpus: int) -> float:
    """Of all gradients."""
    within = min(gpus, GPUS_PER_MACHINE)
    return _ring_seconds(within, NVLINK) + _ring_seconds(gpus // within, NETWORK)


def _ring_seconds(members: int, link: Link) -> float:
    hops = 2 * (members - 1)
    return hops / members * GRADIENT_BYTES / link.bandwidth + hops * link.latency
