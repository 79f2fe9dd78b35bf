"""Precision: autocast, and the loss scaling that fp16 gradients need."""

from contextlib import AbstractContextManager

import torch


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """The lower precision to compute in, or None for fp32."""
    if precision == "fp32":
        return None
    if precision == "auto":
        if device.type == "cpu":
            return None  # Few CPUs are faster in bf16, and most of them are several times slower.
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float16
    return {"fp16": torch.float16, "bf16": torch.bfloat16}[precision]


class Precision:
    """Autocast of the forward pass, and the scaler that fp16 gradients need."""

    def __init__(self, precision: str, device: torch.device) -> None:
        self.dtype = autocast_dtype(precision, device)
        self._device = device
        self.scaler = torch.amp.GradScaler(
            device.type, enabled=self.dtype is torch.float16, init_scale=2.0**10
        )

    def autocast(self) -> AbstractContextManager[object]:
        """Context of a forward pass."""
        return torch.autocast(self._device.type, self.dtype, enabled=self.dtype is not None)

    def scale(self) -> float:
        """The loss scale; 1 without a scaler."""
        return float(self.scaler.get_scale())

    def state(self) -> dict[str, torch.Tensor]:
        """The scaler's state as tensors; empty without one."""
        state = self.scaler.state_dict()
        if not state:
            return {}
        return {
            "scaler.scale": torch.tensor(state["scale"], dtype=torch.float64),
            "scaler.growth_tracker": torch.tensor(state["_growth_tracker"]),
        }

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Take over what `state` gave; without an entry the scaler stays as it is."""
        if self.scaler.is_enabled() and "scaler.scale" in state:
            self.scaler.load_state_dict(
                self.scaler.state_dict()
                | {
                    "scale": float(state["scaler.scale"]),
                    "_growth_tracker": int(state["scaler.growth_tracker"]),
                }
            )
