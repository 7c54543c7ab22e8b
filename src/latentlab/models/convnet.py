"""Convolutional encoders: a small one that two CPU cores can train, ResNet-18, and a random one that nobody trains."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from latentlab.data import to_float

from .convolution import Conv3x3


def standardise(x: Tensor) -> Tensor:
    """Images in [0, 1] brought to mean 0 and spread 1 roughly, the same for every data set; any shape."""
    return (x - 0.5) * 4.0


def block(inputs: int, outputs: int) -> nn.Sequential:
    """3×3 convolution, batch norm, ReLU; (b, inputs, h, w) → (b, outputs, h, w)."""
    return nn.Sequential(Conv3x3(inputs, outputs), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def stem(inputs: int, outputs: int) -> nn.Sequential:
    """4×4 convolution of stride 2, batch norm, ReLU; (b, inputs, h, w) → (b, outputs, h / 2, w / 2)."""
    convolution = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def whitening_kernels(images: Tensor, filters: int, side: int = 4, epsilon: float = 0.01) -> Tensor:
    """Kernels that whiten patches of images, uint8 (n, c, h, w) → (filters, c, side, side): a start for a first layer.

    A ReLU keeps one half of each direction, so the second half of the kernels is the negative of the first. Without
    labels or training (Jordan 2024, arxiv.org/abs/2404.00498, section 3.2). Raises ValueError for too many filters.
    """
    shape = images.shape[1], side, side
    rows = nn.functional.unfold(standardise(to_float(images)), side, stride=side).mT.flatten(0, 1)  # (l, p)
    if filters % 2 or filters > 2 * rows.shape[1]:
        raise ValueError(f"Patches of {shape} give an even number of filters up to {2 * rows.shape[1]}, not {filters}.")
    # C = V Λ Vᵀ
    variances, v = torch.linalg.eigh(torch.cov(rows.T.double()))  # (p,) rising, (p, p)
    # w_k = v_k / √(λ_k + ε), the largest λ first
    kernels = (v / (variances + epsilon).sqrt()).T.flip(0)[: filters // 2].float()  # (filters / 2, p)
    return torch.cat([kernels, -kernels]).unflatten(1, shape)  # (filters, c, side, side)


class ConvNet(nn.Module):
    """Images (b, channels, h, w) in [0, 1], h and w ≥ 16 → representations y (b, dim), dim the sum of the kept widths.

    The first stage halves the side with 4×4 kernels, the stages between it and the last halve it by pooling. y holds
    the spatial means of the last `keep` stages: early stages know colour and texture, late ones shape. The mean of a
    pooled map equals the mean of the map, so it is taken after pooling, at a quarter of the cost.
    """

    def __init__(self, channels: int = 3, widths: Sequence[int] = (32, 96, 160, 224), keep: int | None = None):
        super().__init__()
        stages = [stem(channels, widths[0]), *(block(a, b) for a, b in pairwise(widths))]
        self.stages = nn.ModuleList(stages)
        self.keep = len(widths) if keep is None else keep
        self.dim = sum(widths[-self.keep :])

    def forward(self, images: Tensor) -> Tensor:
        if min(images.shape[-2:]) < 16:
            raise ValueError(f"The encoder needs images of at least 16×16 pixels, got {tuple(images.shape[-2:])}.")
        x, means = standardise(images), []  # (b, c, h, w)
        for index, stage in enumerate(self.stages):
            x = stage(x)  # (b, width, h', w')
            if 0 < index < len(self.stages) - 1:
                x = nn.functional.avg_pool2d(x, 2)  # (b, width, h'/2, w'/2)
            means.append(x.mean(dim=(2, 3)))  # (b, width)
        return torch.cat(means[-self.keep :], dim=1)  # (b, dim)


class ResNet18(nn.Module):
    """torchvision's ResNet-18 (He et al. 2016): images (b, channels, h, w) in [0, 1] → representations y (b, dim).

    The stem is CIFAR's, 3×3 and no max-pool: ImageNet's would leave 8×8 of 32×32 pixels before the first block.
    """

    def __init__(self, channels: int = 3, dim: int = 128):
        from torchvision.models import resnet18  # seconds, which nobody else need wait

        super().__init__()
        self.net, self.dim = resnet18(weights=None, num_classes=dim), dim
        self.net.conv1 = nn.Conv2d(channels, 64, 3, 1, 1, bias=False)
        self.net.maxpool = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        return self.net(standardise(images))  # (b, dim)


class RandomCNN(nn.Module):
    """Images (b, channels, h, w) in [0, 1] → features (b, 16·⌈h/4⌉·⌈w/4⌉): 1024 for 32×32, linear in the image.

    Four 5×5 convolutions without bias and activation: together they are one linear map. The weights are drawn from
    N(0, 1/inputs) by the seed, so that features keep roughly the spread of the pixels.
    """

    def __init__(self, channels: int = 3, seed: int = 0):
        super().__init__()
        generator, layers = torch.Generator().manual_seed(seed), []
        for inputs, outputs, stride in ((channels, 32, 2), (32, 32, 2), (32, 32, 1), (32, 16, 1)):
            layer = nn.utils.skip_init(nn.Conv2d, inputs, outputs, 5, stride=stride, padding=2, bias=False)
            layer.weight.data = torch.randn(outputs, inputs, 5, 5, generator=generator) / (25 * inputs) ** 0.5
            layers.append(layer)
        self.layers = nn.Sequential(*layers).requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images - 0.5).flatten(1)  # (b, 16·⌈h/4⌉·⌈w/4⌉)
