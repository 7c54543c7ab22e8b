"""Views of a picture of one figure on one background: the figure goes elsewhere, or gets another colour."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from latentlab.data import to_float

LEAST = 0.4  # distance of a new colour from the background, in units of one channel's range
SAME = 1e-3  # colours as near as this are the background's


@dataclass(frozen=True)
class OneFigure:
    """`views(images, generator)`, images (b, c, h, w) uint8 → (b, c, size, size) float32 in [0, 1].

    move: the figure goes to a place drawn evenly from all where it fits: nothing of its old place is left.
    paint: it gets a colour drawn evenly from the cube, away from the background: nothing of its old colour is left.
    """

    size: int
    move: bool = False
    paint: bool = False

    @torch.no_grad()
    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Raises TypeError for images that are not uint8, ValueError unless (b, c, h, w) with h and w ≥ size."""
        if images.ndim != 4 or min(images.shape[2:]) < self.size:
            found = tuple(images.shape)
            raise ValueError(f"OneFigure({self.size}) needs (b, c, h, w), h and w ≥ {self.size}; got {found}.")
        views = to_float(images, self.size)  # (b, c, size, size)
        if self.move:
            views = move(views, generator)
        return paint(views, generator) if self.paint else views


def move(images: Tensor, generator: Generator) -> Tensor:
    """The figure at an even random place where it fits; the corner shows the background. (b, c, h, w) → the same."""
    b, c, h, w = images.shape
    figure = ((images - images[:, :, :1, :1]).abs() > SAME).any(1)  # (b, h, w)
    row, column = (_from(figure.any(axis), generator) for axis in (2, 1))  # (b, h), (b, w)
    source = (row[:, :, None] * w + column[:, None, :]).view(b, 1, h * w)  # which old pixel each new one shows
    return images.flatten(2).gather(2, source.expand(b, c, h * w)).view(b, c, h, w)


def _from(occupied: Tensor, generator: Generator) -> Tensor:
    """Which old line each new one shows when the occupied ones (b, n) go to an even random place; (b, n)."""
    b, n = occupied.shape
    first = occupied.byte().argmax(1)  # (b,)
    length = n - occupied.flip(1).byte().argmax(1) - first  # (b,)
    drawn = torch.rand(b, generator=generator, device=generator.device).to(occupied.device)
    place = (drawn * (n - length + 1)).long()  # (b,)
    return (torch.arange(n, device=occupied.device) + (first - place)[:, None]) % n  # (b, n)


def paint(images: Tensor, generator: Generator) -> Tensor:
    """The figure in an even random colour at least LEAST from the background; (b, c, h, w) in [0, 1] → the same."""
    b, c = images.shape[:2]
    back = images[:, :, :1, :1]  # (b, c, 1, 1)
    tries = torch.rand(b, 8, c, generator=generator, device=generator.device).to(images.device)
    far = (tries - back.view(b, 1, c)).norm(dim=2) >= LEAST  # (b, 8)
    colour = tries[torch.arange(b, device=images.device), far.byte().argmax(1)][:, :, None, None]  # (b, c, 1, 1)
    # x = background + part · (colour − background), so part is the distance from the background over its largest
    distance = (images - back).square().sum(1, keepdim=True).sqrt()  # (b, 1, h, w)
    part = distance / distance.amax((2, 3), keepdim=True).clamp(min=1e-6)
    return back + part * (colour - back)
