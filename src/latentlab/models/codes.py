"""Codes without an encoder: a table of free numbers, one row an image, and a small decoder from codes to pictures."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class CodeTable(nn.Module):
    """Free codes: row numbers (b,) → codes (b, copies, dim), at first from N(0, 0.1²). Every number is a weight.

    Adam moves every weight by about its learning rate, and networks need small rates. The weights are therefore codes
    divided by `stride`: with one rate for both, codes move `stride` times as fast as a network's weights.
    """

    def __init__(self, rows: int, dim: int, generator: torch.Generator, *, copies: int = 1, stride: float):
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.randn(rows, copies, dim, generator=generator) * (0.1 / stride))

    def forward(self, rows: Tensor) -> Tensor:
        # an embedding, not an index: its gradient is ten times as fast on a CPU
        picked = F.embedding(rows, self.weight.flatten(1))  # (b, copies·dim)
        return picked.view(len(rows), *self.weight.shape[1:]) * self.stride  # (b, copies, dim)

    def all(self) -> Tensor:
        """The whole table without its history; (rows, copies, dim)."""
        return self.weight.detach() * self.stride


class Decoder(nn.Module):
    """Codes z (b, dim) → pictures (b, channels, side, side), around [0, 1]; ValueError unless 4 divides the side.

    A linear layer `first` makes maps of a quarter of the side (and can undo any invertible linear change of the codes);
    twice a convolution and a rearrangement of its channels into 2×2 pixels double it.
    """

    def __init__(self, dim: int, channels: int = 3, side: int = 32, width: int = 32):
        super().__init__()
        if side % 4:
            raise ValueError(f"The decoder doubles the side twice, so it must be a multiple of 4, got {side}.")
        self.dim, self.width, self.quarter = dim, width, side // 4
        self.first = nn.Linear(dim, width * self.quarter**2)
        self.middle = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.last = nn.Conv2d(width // 2, 4 * channels, 3, padding=1)
        self.twice = nn.PixelShuffle(2)

    def forward(self, z: Tensor) -> Tensor:
        x = self.first(z).view(len(z), self.width, self.quarter, self.quarter).relu()  # (b, width, side/4, side/4)
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.twice(self.middle(x)).relu()  # (b, width/2, side/2, side/2)
        return self.twice(self.last(x)) + 0.5  # (b, channels, side, side)
