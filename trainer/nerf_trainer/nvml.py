"""NVIDIA's management library, by nvidia-ml-py. Everything works without it."""

import logging
from typing import Any

log = logging.getLogger(__name__)


class Utilization:
    """How busy the GPU with this UUID is. NVML is opened at the first question."""

    def __init__(self, uuid: str) -> None:
        self._uuid = uuid
        self._nvml: Any = None
        self._handle: Any = None
        self._absent = False

    def ratio(self) -> float | None:
        """Share of NVML's last sample (0.2 to 1 s) in which the GPU was busy.

        None where NVML, its driver or the GPU is missing, and for a part of a GPU (MIG).
        """
        if self._absent:
            return None
        try:
            if self._handle is None:
                self._open()
            return float(self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu) / 100
        except Exception as error:  # nvidia-ml-py is missing, or one of its many errors
            log.info("no GPU utilization: %s", error)
            self._absent = True
            return None

    def _open(self) -> None:
        import pynvml

        pynvml.nvmlInit()
        self._nvml = pynvml
        self._handle = pynvml.nvmlDeviceGetHandleByUUID(self._uuid)
