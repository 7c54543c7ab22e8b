"""Binary images from grey ones."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .dataset import to_float


def binarise(
    images: Tensor, *, side: int | None = None, sampled: bool = False, generator: torch.Generator | None = None
) -> Tensor:
    """uint8 images (n, 1, h, w) → 0 and 1, float32, averaged down to side × side if `side` is given.

    sampled: by chance, a pixel's brightness its probability (Salakhutdinov and Murray 2008); else by the threshold ½.
    """
    x = to_float(images)
    if side is not None:
        x = F.adaptive_avg_pool2d(x, side)  # (n, 1, side, side)
    return torch.bernoulli(x, generator=generator) if sampled else (x > 0.5).float()
