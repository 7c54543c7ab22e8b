"""What can be said of an image without any network: one number or one colour. Baselines, words for what is shared."""

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from .arrays import Array

RING = 2  # pixels: the border of an image
BLACK = 16  # of 255: no channel of a black pixel is brighter
APART = 60.0  # RGB steps of 255, Euclidean: a pixel this far from the border's colour belongs to the object


def _pictures(images: Array) -> Tensor:
    pictures = torch.as_tensor(images)
    if pictures.dtype != torch.uint8 or pictures.ndim != 4 or pictures.shape[1] not in (1, 3) or not len(pictures):
        raise ValueError(f"Images {pictures.dtype}, {tuple(pictures.shape)}: expected uint8 (n, c, h, w), c = 1 or 3.")
    if min(pictures.shape[2:]) <= 2 * RING:
        raise ValueError(f"Images of {tuple(pictures.shape[2:])} pixels are all border; they must be larger.")
    return pictures


def border_colour(images: Array) -> Tensor:
    """Mean colour of the outer two pixels of images (n, c, h, w) uint8; (n, c) float32 in 0 … 255."""
    pictures = _pictures(images)
    inside = torch.zeros(pictures.shape[2:], dtype=torch.bool)
    inside[RING:-RING, RING:-RING] = True
    return pictures[:, :, ~inside].float().mean(2)  # (n, c, h, w) → (n, c, ring) → (n, c)


def traits(images: Array) -> dict[str, Tensor]:
    """One number for each of the images (n, c, h, w) uint8, by name; (n,) float32 each.

    "brightness"  mean of all values, in [0, 1]       "contrast"  their standard deviation, in [0, 0.5]
    "border brightness"  mean of the outer two pixels, in [0, 1]
    "black share"  share of pixels with no channel of 16 or more, in [0, 1]
    "object size"  share of pixels more than 60 RGB steps from the border's mean colour, in [0, 1]: only a stand-in
    Raises ValueError for other types and shapes, or images too small to have a border.
    """
    pictures = _pictures(images)
    border = border_colour(pictures)  # (n, c)
    numbers: dict[str, list[Tensor]] = {name: [] for name in ("brightness", "contrast", "black share", "object size")}
    for part, ring in zip(pictures.split(2000), border.split(2000), strict=True):
        values = part.float()
        numbers["brightness"].append(values.mean((1, 2, 3)) / 255)
        numbers["contrast"].append(values.std((1, 2, 3), correction=0) / 255)
        numbers["black share"].append((part.amax(1) < BLACK).float().mean((1, 2)))  # (b, c, h, w) → (b, h, w) → (b,)
        numbers["object size"].append(((values - ring[:, :, None, None]).norm(dim=1) > APART).float().mean((1, 2)))
    return {**{name: torch.cat(parts) for name, parts in numbers.items()}, "border brightness": border.mean(1) / 255}


def stroke_width(images: Array) -> Tensor:
    """Mean width in pixels of the bright strokes of images (n, 1, h, w) uint8; (n,) float32, 0 without any ink.

    In a bar of even width w the distances to the nearest dark pixel are 1, 2 … w/2 … 2, 1, with mean (w + 2) / 4.
    """
    ink = _pictures(images).amax(1).numpy() > 127  # (n, h, w)
    depth = [distance_transform_edt(np.pad(one, 1))[1:-1, 1:-1][one] for one in ink]
    return torch.tensor([4 * float(d.mean()) - 2 if len(d) else 0.0 for d in depth])
