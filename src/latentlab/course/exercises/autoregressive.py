"""Exercises of notebook 08: a mask, a receptive field by pencil, bits per dimension."""

import math

import torch
import torch.nn.functional as F

from latentlab.losses import bits_per_dimension
from latentlab.models.masked import mask

from .kinds import Exercise


def reach(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Masks (3, 3) of two layers → what the centre of a 5 × 5 map sees, (5, 5) of 0 and 1."""
    seen = torch.zeros(5, 5)
    for a, b in second.nonzero().tolist():
        seen[a : a + 3, b : b + 3] += first  # the window around a pixel that the second layer sees
    return (seen > 0).float()


def _open_centre(kind, size):
    m = mask(kind, size)
    m[size // 2, size // 2] = 1
    return m


def _pick(g, *options):
    return options[int(torch.randint(len(options), (), generator=g))]


def _two_masks(g):
    return mask(_pick(g, "A", "B"), 3), torch.bernoulli(torch.full((3, 3), 0.5), generator=g)


EXERCISES = [
    Exercise("08.a", mask, lambda g: (_pick(g, "A", "B"), _pick(g, 3, 5, 7)), {
        "the centre is open in mask A, so every pixel sees itself": _open_centre,
        "the mask is turned by a quarter: rows come first, then columns": lambda k, s: mask(k, s).T,
        "it shows what comes after the pixel: the reading order is turned round": lambda k, s: mask(k, s).flip(0, 1),
        "the row of the pixel itself is missing: its left part comes before it":
            lambda k, s: F.pad(torch.ones(s // 2, s), (0, 0, 0, s - s // 2)),
    }),
    Exercise("08.b", reach, _two_masks, {
        "you count the ways instead of asking whether there is one":
            lambda f, s: F.conv_transpose2d(s[None, None], f[None, None])[0, 0],
        "only the second layer is there; each pixel it sees has seen others": lambda f, s: F.pad(s, (1, 1, 1, 1)),
        "the kernel is flipped: here it is not": lambda f, s: reach(f.flip(0, 1), s),
    }),
    Exercise("08.c", bits_per_dimension, lambda g: (200 * torch.rand(4, generator=g), _pick(g, 196, 784, 3072)), {
        "these are nats per dimension: divide by ln 2": lambda n, d: n / d,
        "ln 2 is on the wrong side: a nat is more than one bit": lambda n, d: n * math.log(2) / d,
        "these are the bits of the whole image: divide by its dimensions": lambda n, d: n / math.log(2),
    }),
]  # fmt: skip
