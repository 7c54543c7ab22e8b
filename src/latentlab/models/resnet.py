"""ResNet-18 as the coursework asks for it: torchvision's, with a stem for small images."""

from torch import Tensor, nn
from torchvision.models import resnet18

from .convnet import standardise


class ResNet18(nn.Module):
    """Images (b, channels, h, w) in [0, 1] → representations y (b, dim).

    He et al. 2016 with the CIFAR stem: 3×3 convolution of stride 1 and no max-pool, because the ImageNet stem (7×7, stride 2,
    pool) would leave 8×8 of 32×32 pixels before the first residual block. The last linear layer maps 512 channels to `dim`.
    """

    def __init__(self, channels: int = 3, dim: int = 128):
        super().__init__()
        self.net = resnet18(weights=None, num_classes=dim)
        self.net.conv1 = nn.Conv2d(channels, 64, 3, 1, 1, bias=False)
        self.net.maxpool = nn.Identity()
        self.dim = dim

    def forward(self, images: Tensor) -> Tensor:
        return self.net(standardise(images))  # (b, dim)
