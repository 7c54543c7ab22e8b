"""Paths between two encoded images: the frames a decoder makes of them, and their measures."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latentlab.data import Dataset, to_float
from latentlab.evaluation.interpolation import (
    cross_fade,
    distance_to,
    distance_to_cross_fade,
    linear_path,
    progress,
    sharpness,
    smoothness,
    spherical_path,
    transition_width,
)

from .sweep import Run, codes, reconstruct
from .transfer import recognise


@dataclass(frozen=True)
class Pairs:
    """Pairs of test images of different classes: indices (p,) of the starts and of the ends."""

    start: Tensor
    end: Tensor


def draw_pairs(test: Dataset, count: int, seed: int = 0) -> Pairs:
    """`count` random pairs of images of different classes. Raises ValueError if there is only one class."""
    if len(test.labels.unique()) < 2:
        raise ValueError(f"{test.name} ({test.split}) has one class only: there is no pair of different digits.")
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(test), (8 * count + 64, 2), generator=generator)  # (many, 2)
    kept = drawn[test.labels[drawn[:, 0]] != test.labels[drawn[:, 1]]][:count]  # (count, 2)
    return Pairs(kept[:, 0], kept[:, 1])


def first_of_class(test: Dataset, digits: tuple[int, int]) -> Pairs:
    """The first test image of each of the two classes, as one pair."""
    at = [torch.nonzero(test.labels == digit)[0] for digit in digits]
    return Pairs(*at)


@torch.no_grad()
def decode_path(run: Run, images: Tensor, pairs: Pairs, *, steps: int = 21, spherical: bool = False) -> Tensor:
    """Frames (p, steps, c, h, w) in [0, 1] along the straight lines, or the arcs around the mean code, between codes."""
    z = codes(run, images)  # (n, d)
    z0, z1 = z[pairs.start], z[pairs.end]  # (p, d)
    path = spherical_path(z0, z1, steps, centre=z.mean(0)) if spherical else linear_path(z0, z1, steps)  # (p, steps, d)
    frames = torch.cat([run.network.decode(part) for part in path.flatten(0, 1).split(1000)])  # (p·steps, c, h, w)
    return frames.unflatten(0, path.shape[:2])


def measure_path(
    frames: Tensor, originals: Tensor, labels: tuple[Tensor, Tensor], judge: nn.Module, data: Tensor
) -> dict[str, float]:
    """What paths are like, as means over the pairs.

    frames (p, steps, c, h, w); originals (2, p, c, h, w) of their ends; labels of both ends (p,); a classifier; data
    (m, c, h, w) to be near to. All images are floats in [0, 1].
    "sharpness" at the middle and "sharpness of the ends", both over the originals' at the ends; "pixel width" and
    "class width" of the transition; "distance to data" and "distance to cross-fade" of the
    middle; its "smoothness" of the middle; "ends recognised" as their classes.
    """
    middle = frames[:, frames.shape[1] // 2]  # (p, c, h, w)
    ends = torch.cat([frames[:, 0], frames[:, -1]])  # (2p, c, h, w)
    sharp = sharpness(originals).mean()
    chances = recognise(judge, frames.flatten(0, 1)).unflatten(0, frames.shape[:2])  # (p, steps, classes)
    said = chances.argmax(-1)  # (p, steps)
    right = (said[:, 0] == labels[0]) & (said[:, -1] == labels[1])  # (p,)
    rows = torch.arange(len(frames))
    # how far the classifier has gone over from the first class to the last: p(last) / (p(first) + p(last))
    first, last = (chances[rows, :, label] for label in labels)  # (p, steps)
    over = (last / (first + last).clamp_min(1e-9))[right]
    crossing = (over[:, 0] < 0.25) & (over[:, -1] >= 0.75)
    return {
        "sharpness": float(sharpness(middle).mean() / sharp),
        "sharpness of the ends": float(sharpness(ends).mean() / sharp),
        "pixel width": float(transition_width(progress(frames)).mean()),
        "class width": float(transition_width(over[crossing]).mean()) if crossing.any() else 1.0,
        "distance to data": float(distance_to(middle, data).mean()),
        "distance to cross-fade": float(distance_to_cross_fade(frames)[:, frames.shape[1] // 2].mean()),
        "smoothness": float(smoothness(middle).mean()),
        "ends recognised": float(right.float().mean()),
    }


def measure_run(
    run: Run, test: Dataset, pairs: Pairs, judge: nn.Module, data: Tensor, *, spherical: bool = False
) -> dict[str, float]:
    """`measure_path` of one autoencoder on pairs of test images; data: float images to be near to."""
    frames = decode_path(run, test.images, pairs, spherical=spherical)
    originals = torch.stack([to_float(test.images[pairs.start]), to_float(test.images[pairs.end])])  # (2, p, c, h, w)
    return measure_path(frames, originals, (test.labels[pairs.start], test.labels[pairs.end]), judge, data)


def measure_fade(test: Dataset, pairs: Pairs, judge: nn.Module, data: Tensor) -> dict[str, float]:
    """The same for the path without a model: the cross-fade of the originals."""
    frames = cross_fade_of(test, pairs)
    labels = test.labels[pairs.start], test.labels[pairs.end]
    return measure_path(frames, frames[:, [0, -1]].transpose(0, 1), labels, judge, data)


def cross_fade_of(test: Dataset, pairs: Pairs, steps: int = 21) -> Tensor:
    """The path without a model between test images: frames (p, steps, c, h, w) in [0, 1]."""
    return cross_fade(to_float(test.images[pairs.start]), to_float(test.images[pairs.end]), steps)


def recognised_as(run: Run | None, test: Dataset, judge: nn.Module, digits: tuple[int, ...]) -> list[float]:
    """Share of each class's test images that the judge recognises after reconstruction; without a run, of originals."""
    shares = []
    for digit in digits:
        images = to_float(test.images[test.labels == digit])
        seen = images if run is None else reconstruct(run, images)
        shares.append(float((recognise(judge, seen).argmax(1) == digit).float().mean()))
    return shares
