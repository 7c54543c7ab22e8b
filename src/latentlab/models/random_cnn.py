"""A fixed random network: four linear convolutions that nobody trains."""

import torch
from torch import Tensor, nn

STRIDES = (2, 2, 1, 1)  # 32×32 → 16×16 → 8×8 → 8×8 → 8×8 positions
CHANNELS = (32, 32, 32, 16)  # 8·8·16 = 1024 numbers from a picture of 32×32


class RandomCNN(nn.Module):
    """Images (b, channels, h, w) in [0, 1] → features (b, 16·⌈h/4⌉·⌈w/4⌉): 1024 for 32×32, linear in the image.

    Four 5×5 convolutions, padding 2, strides 2, 2, 1, 1, without bias and without activation: together they are one linear map.
    The first three have 32 channels; the last has 16, which brings 8×8 positions to 1024 dimensions.
    Weights are drawn from N(0, 1/inputs) by the seed, never trained, so that features keep roughly the spread of the pixels.
    """

    def __init__(self, channels: int = 3, seed: int = 0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        inputs, layers = channels, []
        for outputs, stride in zip(CHANNELS, STRIDES, strict=True):
            layer = nn.utils.skip_init(nn.Conv2d, inputs, outputs, 5, stride=stride, padding=2, bias=False)
            layer.weight.data = torch.randn(outputs, inputs, 5, 5, generator=generator) / (25 * inputs) ** 0.5
            layers.append(layer)
            inputs = outputs
        self.layers = nn.Sequential(*layers).requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images - 0.5).flatten(1)  # (b, 16·⌈h/4⌉·⌈w/4⌉)
