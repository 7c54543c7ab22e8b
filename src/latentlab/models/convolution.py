"""A 3×3 convolution that trains fast on a CPU: on small maps all three of its products are plain matrix products.

Libraries tune convolutions for large maps. On maps of 5×5 and below, oneDNN's gradient of the weights ran at a quarter
(5×5) to a seventeenth (2×2) of its forward rate (`benchmarks/test_convolution_bench.py`); a matrix product keeps up.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LARGEST_MAP = 36  # pixels; above that the library's own kernels win


def patches(x: Tensor) -> Tensor:
    """The 3×3 neighbourhood of every pixel, zeros outside; (b, c, h, w) → (b·h·w, 9·c), rows by image, row, column."""
    b, c, h, w = x.shape
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))  # (b, h+2, w+2, c)
    s = padded.stride()
    # Three neighbouring pixels of one row lie side by side in memory: one run of 3·c numbers.
    windows = padded.as_strided((b, h, w, 3, 3 * c), (s[0], s[1], s[2], s[1], s[3]))  # (b, h, w, 3, 3·c)
    return windows.reshape(b * h * w, 9 * c)  # (b·h·w, 9·c)


class _MatrixConvolution(torch.autograd.Function):
    """y = P(x) Wᵀ with P the patches, so ∂W = ∂yᵀ P(x), and ∂x = P(∂y) W̃ᵀ with W̃ the kernels turned by 180°."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        columns = patches(x)  # (b·h·w, 9·c)
        ctx.save_for_backward(columns, weight)
        (b, _, h, w), outputs = x.shape, len(weight)
        flat = weight.permute(0, 2, 3, 1).reshape(outputs, -1)  # (o, 9·c)
        return (columns @ flat.t()).view(b, h, w, outputs).permute(0, 3, 1, 2)  # (b, o, h, w), channels last in memory

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        columns, weight = ctx.saved_tensors
        (b, outputs, h, w), inputs = gradient.shape, weight.shape[1]
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        flat = gradient.permute(0, 2, 3, 1).reshape(-1, outputs)  # (b·h·w, o)
        to_weight = (flat.t() @ columns).view(outputs, 3, 3, inputs).permute(0, 3, 1, 2)  # (o, c, 3, 3)
        turned = weight.flip(2, 3).permute(1, 2, 3, 0).reshape(inputs, -1)  # (c, 9·o)
        to_x = (patches(gradient) @ turned.t()).view(b, h, w, inputs).permute(0, 3, 1, 2)  # (b, c, h, w)
        return to_x, to_weight


class Conv3x3(nn.Conv2d):
    """3×3 convolution, stride 1, padding 1, no bias; (b, inputs, h, w) → (b, outputs, h, w). Weights: `nn.Conv2d`'s."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or x.device.type != "cpu" or x.shape[2] * x.shape[3] > LARGEST_MAP:
            return super().forward(x)
        weight = self.weight
        if torch.is_autocast_enabled("cpu"):
            kind = torch.get_autocast_dtype("cpu")
            x, weight = x.to(kind), weight.to(kind)
        return _MatrixConvolution.apply(x, weight)
