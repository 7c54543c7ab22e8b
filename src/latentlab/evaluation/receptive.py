"""Which inputs an output depends on: asked of the layers by gradients, and worked out by pencil from their masks."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def receptive_field(network: Callable[[Tensor], Tensor], side: int, pixel: tuple[int, int]) -> Tensor:
    """Pixels of a (1, 1, side, side) input on which output pixel (row, column) depends; (side, side) bool.

    By the gradient at a random input with all weights as they are: of ReLU networks ask several, or positive weights.
    """
    x = torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(0), requires_grad=True)
    # ∂y_rc / ∂x_ij ≠ 0
    (slope,) = torch.autograd.grad(network(x)[0, :, pixel[0], pixel[1]].sum(), x)
    return slope[0, 0].abs() > 0  # (side, side)


def by_pencil(masks: Sequence[Tensor], side: int, pixel: tuple[int, int]) -> Tensor:
    """The same from masks (k, k) alone, first layer first: from the output back, a seen pixel becomes what it sees."""
    seen = torch.zeros(1, 1, side, side)
    seen[0, 0, pixel[0], pixel[1]] = 1
    for m in reversed(masks):
        # S ← ∪ over s in S of { s + o : M_o = 1 }
        seen = (F.conv_transpose2d(seen, m[None, None].float(), padding=m.shape[0] // 2) > 0).float()
    return seen[0, 0] > 0  # (side, side)


def before(side: int, pixel: tuple[int, int]) -> Tensor:
    """All pixels that come before (row, column) in reading order; (side, side) bool."""
    return (torch.arange(side * side) < pixel[0] * side + pixel[1]).view(side, side)
