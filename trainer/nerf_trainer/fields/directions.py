"""Real spherical harmonics of the viewing direction, up to degree 3: (M, 3) -> (M, 16)."""

import torch
from torch import Tensor

OUT_FEATURES = 16


def spherical_harmonics(d: Tensor) -> Tensor:
    """The 16 basis functions for unit directions d (M, 3), in the order of degree and order."""
    x, y, z = d.unbind(-1)
    xx, yy, zz = x * x, y * y, z * z
    return torch.stack(
        [
            torch.full_like(x, 0.28209479177387814),
            -0.4886025119029199 * y,
            0.4886025119029199 * z,
            -0.4886025119029199 * x,
            1.0925484305920792 * x * y,
            -1.0925484305920792 * y * z,
            0.9461746957575601 * zz - 0.31539156525252,
            -1.0925484305920792 * x * z,
            0.5462742152960396 * (xx - yy),
            0.5900435899266435 * y * (-3 * xx + yy),
            2.890611442640554 * x * y * z,
            0.4570457994644658 * y * (1 - 5 * zz),
            0.3731763325901154 * z * (5 * zz - 3),
            0.4570457994644658 * x * (1 - 5 * zz),
            1.445305721320277 * z * (xx - yy),
            0.5900435899266435 * x * (-xx + 3 * yy),
        ],
        -1,
    )
