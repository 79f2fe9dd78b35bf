"""What is known of the GPU that trains: memory by torch, utilization by NVML."""

import torch

from nerf_contract import metrics as m
from nerf_trainer.metrics import TrainerMetrics
from nerf_trainer.nvml import Utilization


class GpuWatch:
    """Takes the figures of one CUDA device to the metrics; does nothing for a CPU."""

    def __init__(self, device: torch.device) -> None:
        self._device = device if device.type == "cuda" else None
        self._utilization = None
        if self._device:
            uuid = torch.cuda.get_device_properties(device).uuid
            self._utilization = Utilization(f"GPU-{uuid}")

    def tell(self, metrics: TrainerMetrics) -> None:
        """Measure, and set the metrics that are known."""
        if self._device is None or self._utilization is None:
            return
        _, total = torch.cuda.mem_get_info(self._device)
        metrics.set(m.GPU_MEMORY, torch.cuda.memory_allocated(self._device), "allocated")
        metrics.set(m.GPU_MEMORY, torch.cuda.memory_reserved(self._device), "reserved")
        metrics.set(m.GPU_MEMORY, torch.cuda.max_memory_allocated(self._device), "peak")
        metrics.set(m.GPU_MEMORY, total, "total")
        ratio = self._utilization.ratio()
        if ratio is not None:
            metrics.set(m.GPU_UTILIZATION, ratio)

    def peak_bytes(self) -> int | None:
        """The most memory that tensors took on the device at once; None without a GPU."""
        if self._device is None:
            return None
        return int(torch.cuda.max_memory_allocated(self._device))
