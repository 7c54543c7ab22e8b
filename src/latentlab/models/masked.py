"""Masked convolutions and PixelCNN: every pixel is predicted from those before it in reading order.

A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu, "Pixel recurrent neural networks", ICML 2016 (masks A and B);
A. van den Oord et al., "Conditional image generation with PixelCNN decoders", NeurIPS 2016 (two stacks, no blind spot).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KINDS = ("A", "B", "rows above", "rows up to", "left", "left and own")


def mask(kind: str, size: int) -> Tensor:
    """Which entries of a size × size kernel may see: (size, size) of 0 and 1.

    "A": what stands before the centre in reading order; "B": the centre, too. "rows above" / "rows up to": whole rows
    (the vertical stack's first and later layers); "left" / "left and own": one row (the horizontal stack's).
    Raises ValueError for an unknown kind or an even size.
    """
    if kind not in KINDS:
        raise ValueError(f"There is no mask {kind!r}; choose one of {', '.join(KINDS)}.")
    if size < 1 or size % 2 == 0:
        raise ValueError(f"A kernel of size {size} has no centre: choose an odd size.")
    m, centre = torch.zeros(size, size), size // 2
    if kind in ("A", "B", "rows above", "rows up to"):
        m[:centre] = 1
    if kind == "rows up to":
        m[centre] = 1
    if kind in ("A", "B", "left", "left and own"):
        m[centre, :centre] = 1
    if kind in ("B", "left and own"):
        m[centre, centre] = 1
    return m


class MaskedConv2d(nn.Conv2d):
    """A convolution whose kernel is multiplied by a mask; keeps height and width. Raises as `mask`.

    Rows and columns of the kernel that the mask empties are cut off: half of the work and more, to the same result.
    """

    def __init__(self, kind: str, inputs: int, outputs: int, size: int = 3, bias: bool = True):
        super().__init__(inputs, outputs, size, padding=size // 2, bias=bias)
        self.register_buffer("mask", mask(kind, size), persistent=False)
        row, column = mask(kind, size).nonzero().max(0).values.tolist() if self.mask.any() else (0, 0)
        self.rows, self.columns = row + 1, column + 1

    def forward(self, x: Tensor) -> Tensor:
        # y = (W ⊙ M) ∗ x + b
        kernel = (self.weight * self.mask)[:, :, : self.rows, : self.columns]  # (outputs, inputs, rows, columns)
        before = self.padding[0]
        x = F.pad(x, (before, self.columns - 1 - before, before, self.rows - 1 - before))
        return F.conv2d(x, kernel, self.bias)  # (b, outputs, h, w)


class Raster(nn.Module):
    """One layer of the plain PixelCNN: mask A first, B later. Simple, and with a blind spot on the upper right."""

    def __init__(self, width: int, first: bool, size: int):
        super().__init__()
        self.conv = MaskedConv2d("A" if first else "B", 1 if first else width, width, size)
        self.first = first

    def forward(self, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        x, _ = state
        y = F.relu(self.conv(x))  # (b, width, h, w)
        return (y if self.first else x + y), x


class Stacks(nn.Module):
    """One layer of two stacks: the vertical sees all rows above, the horizontal its row and what the vertical knows."""

    def __init__(self, width: int, first: bool, size: int):
        super().__init__()
        inputs = 1 if first else width
        self.down = MaskedConv2d("rows above" if first else "rows up to", inputs, width, size)
        self.along = MaskedConv2d("left" if first else "left and own", inputs, width, size)
        self.across = nn.Conv2d(width, width, 1)
        self.first = first

    def forward(self, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        horizontal, vertical = state
        v = F.relu(self.down(vertical))  # (b, width, h, w)
        h = F.relu(self.along(horizontal) + self.across(v))  # (b, width, h, w)
        return (h, v) if self.first else (horizontal + h, vertical + v)


class PixelCNN(nn.Module):
    """Binary images (b, 1, h, w) → logits (b, 1, h, w) of every pixel given those before it in reading order.

    stacks: two stacks, no blind spot; False: the plain one. Raises ValueError for no layer or another shape.
    """

    def __init__(self, width: int = 24, layers: int = 5, first: int = 5, stacks: bool = True):
        super().__init__()
        if layers < 1:
            raise ValueError(f"{layers} layers: a PixelCNN has at least one.")
        kind = Stacks if stacks else Raster
        self.layers = nn.Sequential(kind(width, True, first), *(kind(width, False, 3) for _ in range(layers - 1)))
        self.out = nn.Sequential(nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] != 1:
            raise ValueError(f"PixelCNN takes binary images (b, 1, h, w), got {tuple(x.shape)}.")
        return self.out(self.layers((x, x))[0])  # (b, 1, h, w)


@torch.no_grad()
def complete(network: nn.Module, images: Tensor, known: Tensor, generator: torch.Generator) -> Tensor:
    """Draw the pixels that are not `known` (h, w) one after the other in reading order; (b, 1, h, w) → the same.

    With nothing known these are samples: p(x) = Π_i p(x_i | x_1 … x_{i−1}).
    """
    x = torch.where(known, images, torch.zeros_like(images))  # (b, 1, h, w)
    for row, column in (~known).nonzero().tolist():
        # a pixel depends on the rows up to its own only: the rest is not computed
        logits = network(x[:, :, : row + 1])[:, 0, row, column]  # (b,)
        x[:, 0, row, column] = torch.bernoulli(logits.sigmoid(), generator=generator)
    return x
