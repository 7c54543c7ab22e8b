"""Paths between two encoded images: the frames a decoder makes of them, and their measures."""

import torch
from torch import Tensor, nn

from latentlab.data import Dataset, to_float
from latentlab.evaluation import interpolation
from latentlab.models import Autoencoder

from .sweep import codes
from .transfer import recognise


def draw_pairs(test: Dataset, count: int, seed: int = 0) -> Tensor:
    """Indices (2, count) of random pairs of images of different classes. ValueError if there is only one class."""
    if len(test.labels.unique()) < 2:
        raise ValueError(f"{test.name} ({test.split}) has one class only: there is no pair of different digits.")
    drawn = torch.randint(len(test), (2, 8 * count + 64), generator=torch.Generator().manual_seed(seed))  # (2, many)
    return drawn[:, test.labels[drawn[0]] != test.labels[drawn[1]]][:, :count]


def first_of_class(test: Dataset, first: int, last: int) -> Tensor:
    """Indices (2, 1) of the first test image of each of two classes."""
    return torch.stack([torch.nonzero(test.labels == digit)[0] for digit in (first, last)])


@torch.no_grad()
def walk(network: Autoencoder, test: Dataset, pairs: Tensor, steps: int = 21) -> Tensor:
    """Frames (p, steps, c, h, w) in [0, 1], decoded along the straight lines between the codes of pairs (2, p)."""
    path = interpolation.linear_path(*(codes(network, test.images[ends]) for ends in pairs), steps)  # (p, steps, d)
    return torch.cat([network.decode(part) for part in path.flatten(0, 1).split(1000)]).unflatten(0, path.shape[:2])


def fade(test: Dataset, pairs: Tensor, steps: int = 21) -> Tensor:
    """The path without a model, picture faded into picture: frames (p, steps, c, h, w) in [0, 1]."""
    return interpolation.cross_fade(*(to_float(test.images[ends]) for ends in pairs), steps)


def measure_paths(frames: Tensor, test: Dataset, pairs: Tensor, judge: nn.Module) -> dict[str, float]:
    """What paths (p, steps, c, h, w) between the test images of pairs (2, p) are like, as means over the pairs.

    "sharpness" of the middle and "sharpness of the ends", both over the originals'; "smoothness" of the middle; "pixel
    width" and "class width": the share of the path between 25 % and 75 % of the change, in pixels, and in the judge's
    opinion where it recognises both ends; "ends recognised": where it does.
    """
    middle, ends = frames[:, frames.shape[1] // 2], frames[:, [0, -1]]  # (p, c, h, w), (p, 2, c, h, w)
    sharp = interpolation.sharpness(to_float(test.images[pairs])).mean()
    first, last = test.labels[pairs]  # (p,) each
    chances = recognise(judge, frames.flatten(0, 1)).unflatten(0, frames.shape[:2])  # (p, steps, classes)
    right = (chances[:, 0].argmax(1) == first) & (chances[:, -1].argmax(1) == last)  # (p,)
    # how far the judge has gone over from the first class to the last: p(last) / (p(first) + p(last))
    rows = torch.arange(len(frames))
    of_first, of_last = chances[rows, :, first], chances[rows, :, last]  # (p, steps) each
    over = (of_last / (of_first + of_last).clamp_min(1e-9))[right]
    crossing = over[(over[:, 0] < 0.25) & (over[:, -1] >= 0.75)]
    return {
        "sharpness": float(interpolation.sharpness(middle).mean() / sharp),
        "sharpness of the ends": float(interpolation.sharpness(ends).mean() / sharp),
        "smoothness": float(interpolation.smoothness(middle).mean()),
        "pixel width": float(interpolation.transition_width(interpolation.progress(frames)).mean()),
        "class width": float(interpolation.transition_width(crossing).mean()) if len(crossing) else 1.0,
        "ends recognised": float(right.float().mean()),
    }
