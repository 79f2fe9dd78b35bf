"""From coarse to fine: the fine levels of an encoding stay shut at first, and open smoothly.

Park et al.: Nerfies, ICCV 2021, equation 8; Lin et al.: BARF, ICCV 2021.
"""

import torch
from torch import Tensor


def open_share(detail: float, count: int) -> Tensor:
    """Weights (count,) in [0, 1] of levels, coarse to fine, of which `detail` in [0, 1] are open.

    The coarsest level is always open, so that something can be learnt.
    """
    level = torch.arange(count, dtype=torch.float32)
    share = (detail * count - level).clamp(0, 1)
    share[0] = 1.0
    return (1 - torch.cos(share * torch.pi)) / 2
