"""Rendered sets: `shapes10`, ten silhouettes on 32×32, and `coloured_shapes`, a finite set on 64×64 with known factors.

Only integers decide a byte, and randomness is the raw output of PCG64, which NumPy keeps fixed: a seed gives the same
images on every machine. Image i depends on the seed and on i alone, so fewer images are the beginning of more.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch

from .dataset import Dataset, shuffled
from .silhouettes import NAMES, SAMPLES, coverage

SPLITS = {"train": 10_000, "test": 2_000}
BLOCK = 250  # images rendered at a time: what one step needs stays in the processor's cache


@dataclass(frozen=True)
class Shapes10:
    """How hard `shapes10` is. Percentages are of the image's side; every number is an integer.

    The default shows what learning brings: raw pixels and an untrained encoder stay well below a trained one.
    Harder, in this order: more texture, a distractor, more rotation. Too hard to teach in a minute: any rotation, small shapes.
    """

    side: int = 32  # points per row and column
    rotation: int = 15  # the angle lies within ± this many degrees
    position: int = 20  # the centre lies within ± this much of the middle, in percent
    smallest: int = 50  # size, in percent
    largest: int = 75
    contrast: int = 100  # least distance of fore- and background colour (Euclidean, in RGB steps of 0 … 255; at most 220)
    texture: int = 12  # soft blotches on fore- and background, ± this many RGB steps
    distractors: int = 0  # small silhouettes of any class and colour, behind the shape
    noise: int = 4  # every value of every point, ± this many RGB steps

    def __post_init__(self) -> None:
        limits = {"side": (16, 256), "rotation": (0, 180), "position": (0, 50), "smallest": (10, 100), "largest": (10, 100)}
        limits |= {"contrast": (0, 220), "texture": (0, 127), "distractors": (0, 8), "noise": (0, 127)}
        for key, (low, high) in limits.items():
            if not low <= getattr(self, key) <= high:
                raise ValueError(f"Shapes10: {key} must lie between {low} and {high}, got {getattr(self, key)}.")
        if self.smallest > self.largest:
            raise ValueError(f"Shapes10: smallest ({self.smallest}) must not exceed largest ({self.largest}).")


class _Draws:
    """One stream of random bits per purpose, so that a new parameter never moves the others."""

    def __init__(self, seed: int, split: str, n: int) -> None:
        self.seed, self.split, self.n, self.purpose = seed, split, n, 0

    def bits(self) -> np.random.PCG64:
        self.purpose += 1
        return np.random.PCG64(np.random.SeedSequence([self.seed, list(SPLITS).index(self.split), self.purpose]))

    def integers(self, low: int, high: int, *shape: int) -> np.ndarray:
        """(n, *shape) int64, uniform on low … high, both included."""
        raw = self.bits().random_raw(self.n * int(np.prod(shape))) >> np.uint64(32)
        return (low + ((raw * np.uint64(high - low + 1)) >> np.uint64(32)).astype(np.int64)).reshape(self.n, *shape)

    def classes(self, k: int) -> np.ndarray:
        """(n,) int64: every k images in a row hold each class once, in random order."""
        keys = self.bits().random_raw(-(-self.n // k) * k).reshape(-1, k)
        return np.argsort(keys, axis=1, kind="stable").reshape(-1)[: self.n]


def _colours(draw: _Draws, contrast: int) -> tuple[np.ndarray, np.ndarray]:
    """Foreground and background (n, 3): the first of eight foregrounds that is far enough, else the opposite colour."""
    back, tries = draw.integers(0, 255, 3), draw.integers(0, 255, 8, 3)
    far = ((tries - back[:, None]) ** 2).sum(2) >= contrast**2  # (n, 8)
    first = tries[np.arange(draw.n), far.argmax(1)]  # (n, 3)
    return np.where(far.any(1)[:, None], first, (back + 128) % 256), back


@functools.cache
def _soft(side: int, knots: int = 5) -> np.ndarray:
    """Bilinear weights from `knots` values to `side` points, (side, knots) int64; each row sums to 2 · side."""
    place = (2 * np.arange(side) + 1) * (knots - 1)  # in 2 · side-ths of a knot's distance
    base, part = place // (2 * side), place % (2 * side)
    weights = np.zeros((side, knots), dtype=np.int64)
    weights[np.arange(side), base], weights[np.arange(side), base + 1] = 2 * side - part, part
    return weights


def _blotches(knots: np.ndarray, side: int) -> np.ndarray:
    """Knot values (n, 3, 5, 5) -> smooth fields (n, 3, side, side), int64."""
    # integer matrix products: rows, then columns
    return (_soft(side) @ knots @ _soft(side).T) // (4 * side * side)


def _mix(under: np.ndarray, over: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """`over` covers `parts` (n, side, side) of 16 of `under` (n, 3, side, side)."""
    return under + (((over - under) * parts[:, None].astype(np.int16) + 8) >> 4)


@functools.lru_cache(maxsize=4)
def shapes10(split: str = "train", n: int | None = None, seed: int = 0, settings: Shapes10 | None = None) -> Dataset:
    """Ten silhouettes in random colour, place, size and angle: images (n, 3, side, side) uint8.

    Factors: shape (n,), foreground and background (n, 3), x and y of the centre (n,) right and down from the middle and
    size (n,) as parts of the side, angle (n,) in degrees, counter-clockwise. Raises ValueError for an unknown split.
    """
    how, n = settings or Shapes10(), _count(split, n)
    draw, grid = _Draws(seed, split, n), how.side * SAMPLES
    labels = draw.classes(len(NAMES))
    reach = how.position * 2 * grid // 100
    x, y = draw.integers(-reach, reach), draw.integers(-reach, reach)
    size = draw.integers(how.smallest * grid // 100, how.largest * grid // 100)
    angle = draw.integers(-4 * how.rotation, 4 * how.rotation)
    fore, back = _colours(draw, how.contrast)
    knots = draw.integers(-how.texture, how.texture, 2, 3, 5, 5)
    extra = (len(NAMES) - 1, grid, grid, grid // 16, 4 * 180)
    extra = [draw.integers(0 if i in (0, 3) else -high, high, how.distractors) for i, high in enumerate(extra)]
    extra_colour, grain = draw.integers(0, 255, how.distractors, 3), draw.bits()

    images = np.empty((n, 3, how.side, how.side), dtype=np.uint8)
    for start in range(0, n, BLOCK):
        part = slice(start, min(start + BLOCK, n))
        field = _blotches(knots[part], how.side).astype(np.int16)  # (b, 2, 3, side, side)
        picture = field[:, 0] + back[part, :, None, None].astype(np.int16)  # (b, 3, side, side)
        for i in range(how.distractors):
            shape, ex, ey, more, turn = (values[part, i] for values in extra)
            colour = extra_colour[part, i, :, None, None].astype(np.int16)
            picture = _mix(picture, colour, coverage(shape, ex, ey, grid // 8 + more, turn, how.side))
        front = field[:, 1] + fore[part, :, None, None].astype(np.int16)
        picture = _mix(picture, front, coverage(labels[part], x[part], y[part], size[part], angle[part], how.side))
        if how.noise:
            picture = picture + _noise(grain, picture.shape, how.noise)
        images[part] = picture.clip(0, 255)

    factors = {"shape": labels, "foreground": fore.astype(np.uint8), "background": back.astype(np.uint8)}
    factors |= {"x": (x / (2 * grid)).astype(np.float32), "y": (y / (2 * grid)).astype(np.float32)}
    factors |= {"size": (size / grid).astype(np.float32), "angle": (angle / 4).astype(np.float32)}
    return _dataset("shapes10", split, images, labels, NAMES, factors)


def _noise(grain: np.random.PCG64, shape: tuple[int, ...], strength: int) -> np.ndarray:
    """Uniform on -strength … strength, int16: one random byte per value, eight from each draw (the last byte first)."""
    size = int(np.prod(shape))
    raw = grain.random_raw(-(-size // 8)).astype("<u8").view(np.uint8)[:size].reshape(shape)
    return ((raw.astype(np.uint16) * np.uint16(2 * strength + 1)) >> 8).astype(np.int16) - np.int16(strength)


PALETTE = {  # Okabe and Ito's colours, told apart by every kind of colour vision
    "orange": (230, 159, 0),
    "sky blue": (86, 180, 233),
    "green": (0, 158, 115),
    "yellow": (240, 228, 66),
    "blue": (0, 114, 178),
    "vermilion": (213, 94, 0),
    "purple": (204, 121, 167),
    "white": (255, 255, 255),
}
FIGURES = ("disc", "square", "triangle", "star", "cross", "heart")
PLACES = 10  # the centre lies on a grid of 10×10 places, 4 points apart
BACKGROUND = 32  # dark grey
HELD_OUT = 800  # of 4,800 images


@functools.lru_cache(maxsize=4)
def coloured_shapes(split: str = "train", n: int | None = None, seed: int = 0) -> Dataset:
    """6 shapes × 8 colours × 100 places = 4,800 distinct images (n, 3, 64, 64) uint8; the seed picks 800 for the test.

    Label = shape. Factors: shape, colour (index into PALETTE), location (0 … 99, row by row), column and row (0 … 9), all
    (n,) int64, and the centre x and y (n,) float32, right and down from the middle as parts of the side. Background: one grey.
    """
    side, total = 64, len(FIGURES) * len(PALETTE) * PLACES**2
    order = shuffled(total, seed).numpy()
    chosen = order[HELD_OUT:] if split == "train" else order[:HELD_OUT]
    n = _count(split, n, {"train": total - HELD_OUT, "test": HELD_OUT})
    if n > len(chosen):
        raise ValueError(f"coloured_shapes ({split}) is finite: {len(chosen):,} images, {n:,} were asked for.")
    shape, colour, row, column = np.unravel_index(chosen[:n], (len(FIGURES), len(PALETTE), PLACES, PLACES))
    x, y = ((2 * place - PLACES + 1) * 4 * SAMPLES for place in (column, row))  # half samples from the middle
    size, angle = np.full(n, 20 * SAMPLES), np.zeros(n, dtype=np.int64)
    template = np.array([NAMES.index(name) for name in FIGURES])[shape]
    paint = np.array(list(PALETTE.values()), dtype=np.int16)[colour]  # (n, 3)
    images = np.empty((n, 3, side, side), dtype=np.uint8)
    for start in range(0, n, BLOCK):
        part = slice(start, min(start + BLOCK, n))
        inside = coverage(template[part], x[part], y[part], size[part], angle[part], side)  # (b, side, side)
        images[part] = _mix(np.full((1, 3, 1, 1), BACKGROUND, dtype=np.int16), paint[part, :, None, None], inside)
    factors = {"shape": shape, "colour": colour, "location": row * PLACES + column, "column": column, "row": row}
    factors |= {name: (place / (2 * side * SAMPLES)).astype(np.float32) for name, place in (("x", x), ("y", y))}
    return _dataset("coloured_shapes", split, images, shape, FIGURES, factors)


def _count(split: str, n: int | None, sizes: dict[str, int] = SPLITS) -> int:
    if split not in sizes:
        raise ValueError(f"There is no split {split!r}: choose one of {', '.join(sizes)}.")
    n = sizes[split] if n is None else n
    if n < 1:
        raise ValueError(f"At least one image must be asked for, not n = {n}.")
    return n


def _dataset(name: str, split: str, images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], factors: dict) -> Dataset:
    tensors = {key: torch.from_numpy(np.ascontiguousarray(values)) for key, values in factors.items()}
    return Dataset(name, split, torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)), classes, factors=tensors)
