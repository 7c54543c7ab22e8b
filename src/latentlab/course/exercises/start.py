"""Exercises of notebook 00: bytes to numbers, how often a guess is right, the nearest neighbour."""

import torch

from .kinds import Exercise, normal


def to_unit(images):
    """uint8 of any shape → float32 in [0, 1]."""
    return images.float() / 255


def accuracy(guesses, labels):
    """Share of guesses (n,) that equal the labels (n,)."""
    return (guesses == labels).float().mean()


def closest(query, base):
    """Row of base (n, d) with the smallest distance to query (d,)."""
    return (base - query).square().sum(1).argmin()


EXERCISES = [
    Exercise("00.a", to_unit, lambda g: (torch.randint(256, (2, 3, 4), generator=g).to(torch.uint8),), {
        "the brightest byte is 255, not 256": lambda x: x.float() / 256,
        "the range is 0 to 1: divide by 255": lambda x: x.float(),
        "this is centred at 0; the range asked for is 0 to 1": lambda x: x.float() / 127.5 - 1,
    }),
    Exercise("00.b", accuracy, lambda g: tuple(torch.randint(3, (20,), generator=g) for _ in range(2)), {
        "this is how many are right; divide by how many there are": lambda a, b: (a == b).float().sum(),
        "this is the share of mistakes": lambda a, b: (a != b).float().mean(),
        "this is percent; a share lies between 0 and 1": lambda a, b: 100 * (a == b).float().mean(),
    }),
    Exercise("00.c", closest, lambda g: normal(g, 4, (12, 4)), {
        "this one is the furthest": lambda q, b: (b - q).square().sum(1).argmax(),
        "this is the distance; the row is asked for": lambda q, b: (b - q).norm(dim=1).min(),
        "the largest dot product is not the smallest distance": lambda q, b: (b @ q).argmax(),
    }),
]  # fmt: skip
