"""A small convolutional encoder that two CPU cores can train: a few stages, each one's pooled output kept."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .convolution import Conv3x3


def standardise(x: Tensor) -> Tensor:
    """Images in [0, 1] brought to mean 0 and spread 1 roughly, the same for every data set; any shape."""
    return (x - 0.5) * 4.0


def block(inputs: int, outputs: int) -> nn.Sequential:
    """3×3 convolution, batch norm, ReLU; (b, inputs, h, w) → (b, outputs, h, w)."""
    return nn.Sequential(Conv3x3(inputs, outputs), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def stem(channels: int, outputs: int) -> nn.Sequential:
    """4×4 convolution of stride 2, batch norm, ReLU; (b, channels, h, w) → (b, outputs, h / 2, w / 2)."""
    convolution = nn.Conv2d(channels, outputs, 4, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class ConvNet(nn.Module):
    """Images (b, channels, h, w) in [0, 1], h and w ≥ 16 → representations y (b, dim), dim the sum of the kept widths.

    The first stage halves the side with 4×4 kernels, the stages between it and the last halve it by pooling. The representation
    is the concatenation of the spatial means of the last `keep` stages: early stages know colour and texture, late ones shape.
    The mean of a pooled map equals the mean of the map, so it is taken after pooling, at a quarter of the cost.
    Raises ValueError if an image is too small to pool.
    """

    def __init__(self, channels: int = 3, widths: Sequence[int] = (32, 96, 160, 224), keep: int | None = None):
        super().__init__()
        stages = [stem(channels, widths[0])]
        stages += [block(a, b) for a, b in zip(widths[:-1], widths[1:], strict=True)]
        self.stages = nn.ModuleList(stages)
        self.keep = len(widths) if keep is None else keep
        self.dim = sum(widths[-self.keep :])

    def forward(self, images: Tensor) -> Tensor:
        if min(images.shape[-2:]) < 16:
            raise ValueError(f"The encoder needs images of at least 16×16 pixels, got {tuple(images.shape[-2:])}.")
        x = standardise(images)  # (b, c, h, w)
        means = []
        for index, stage in enumerate(self.stages):
            x = stage(x)  # (b, width, h', w')
            if 0 < index < len(self.stages) - 1:
                x = nn.functional.avg_pool2d(x, 2)  # (b, width, h'/2, w'/2)
            means.append(x.mean(dim=(2, 3)))  # (b, width)
        return torch.cat(means[-self.keep :], dim=1)  # (b, dim)
