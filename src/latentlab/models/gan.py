"""Generator and discriminator of fully connected layers, for points and for small images."""

from math import prod

from torch import Tensor, nn


class Generator(nn.Module):
    """Noise z (n, noise) → samples (n, *shape); `bounded` ends in a sigmoid, for images in [0, 1]."""

    def __init__(self, shape: tuple[int, ...], noise: int = 8, hidden: int = 64, *, bounded: bool = False):
        super().__init__()
        self.shape, self.noise = tuple(shape), noise
        hiddens = nn.Linear(noise, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        self.net = nn.Sequential(*hiddens, nn.Linear(hidden, prod(shape)))
        self.end = nn.Sigmoid() if bounded else nn.Identity()

    def forward(self, z: Tensor) -> Tensor:
        return self.end(self.net(z)).unflatten(1, self.shape)  # (n, *shape)


class Discriminator(nn.Sequential):
    """Samples (n, *shape) → logits (n,): how surely real."""

    def __init__(self, shape: tuple[int, ...], hidden: int = 64, dropout: float = 0.0):
        super().__init__(
            nn.Flatten(),
            nn.Linear(prod(shape), hidden), nn.LeakyReLU(0.2), nn.Dropout(dropout),
            nn.Linear(hidden, hidden), nn.LeakyReLU(0.2), nn.Dropout(dropout),
            nn.Linear(hidden, 1), nn.Flatten(0),
        )  # fmt: skip


class GAN(nn.Module):
    """Both players in one module, so that one file holds them."""

    def __init__(self, generator: Generator, discriminator: Discriminator):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
