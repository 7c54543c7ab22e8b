"""Rendered sets: `shapes10`, ten silhouettes on 32×32, and `coloured_shapes`, a finite set on 64×64.

Only integers decide a byte, and randomness is the raw output of PCG64, which NumPy keeps fixed: a seed gives the same
images on every machine. Image i depends on the seed and on i alone, so fewer images are the beginning of more.
"""

import functools

import numpy as np
import torch

from .dataset import Dataset, shuffled
from .silhouettes import NAMES, SAMPLES, coverage

BLOCK = 250  # images rendered at a time: what one step needs stays in the processor's cache
SPLITS = {"train": 10_000, "test": 2_000}  # of shapes10

# How hard shapes10 is. Raw pixels and an untrained encoder stay well below a trained one, which shows what learning
# brings. Harder, in this order: more texture, more rotation. Too hard to teach in a minute: any rotation, small shapes.
SIDE = 32  # points per row and column
ROTATION = 15  # the angle lies within ± this many degrees
POSITION = 20  # the centre lies within ± this much of the middle, in percent of the side
SMALLEST, LARGEST = 50, 75  # size, in percent of the side
CONTRAST = 100  # least distance of fore- and background colour (Euclidean, in RGB steps of 0 … 255)
TEXTURE = 12  # soft blotches on fore- and background, ± this many RGB steps
NOISE = 4  # every value of every point, ± this many RGB steps


def _bits(seed: int, split: str, purpose: int) -> np.random.PCG64:
    """One stream of random bits per purpose, so that a new purpose never moves the others."""
    return np.random.PCG64(np.random.SeedSequence([seed, list(SPLITS).index(split), purpose]))


def _integers(bits: np.random.PCG64, low: int, high: int, *shape: int) -> np.ndarray:
    """`shape`, int64, uniform on low … high, both included."""
    raw = bits.random_raw(int(np.prod(shape))) >> np.uint64(32)
    return (low + ((raw * np.uint64(high - low + 1)) >> np.uint64(32)).astype(np.int64)).reshape(shape)


def _noise(bits: np.random.PCG64, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform on ±NOISE, int16: one random byte per value, eight from each draw (the last byte first)."""
    size = int(np.prod(shape))
    raw = bits.random_raw(-(-size // 8)).astype("<u8").view(np.uint8)[:size].reshape(shape)
    return ((raw.astype(np.uint16) * np.uint16(2 * NOISE + 1)) >> 8).astype(np.int16) - np.int16(NOISE)


def _mix(under: np.ndarray, over: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """`over` covers `parts` (n, side, side) of 16 of `under` (n, 3, side, side)."""
    return under + (((over - under) * parts[:, None].astype(np.int16) + 8) >> 4)


@functools.lru_cache(maxsize=4)
def shapes10(split: str, n: int | None = None, seed: int = 0) -> Dataset:
    """Ten silhouettes in random colour, place, size and angle: images (n, 3, 32, 32) uint8.

    Factors: shape (n,), foreground and background (n, 3), x and y of the centre (n,) right and down from the middle and
    size (n,) as parts of the side, angle (n,) in degrees, counter-clockwise. Raises ValueError for n < 1.
    """
    n = SPLITS[split] if n is None else n
    if n < 1:
        raise ValueError(f"At least one image must be asked for, not n = {n}.")
    stream = functools.partial(_bits, seed, split)
    k, grid = len(NAMES), SIDE * SAMPLES
    keys = stream(1).random_raw(-(-n // k) * k).reshape(-1, k)  # every k images in a row hold each class once
    labels = np.argsort(keys, axis=1, kind="stable").reshape(-1)[:n]
    reach, turn = POSITION * 2 * grid // 100, 4 * ROTATION
    x, y = _integers(stream(2), -reach, reach, n), _integers(stream(3), -reach, reach, n)
    size = _integers(stream(4), SMALLEST * grid // 100, LARGEST * grid // 100, n)
    angle = _integers(stream(5), -turn, turn, n)
    # the first of eight foregrounds that is far enough from the background, else the opposite colour
    back, tries = _integers(stream(6), 0, 255, n, 3), _integers(stream(7), 0, 255, n, 8, 3)
    far = ((tries - back[:, None]) ** 2).sum(2) >= CONTRAST**2  # (n, 8)
    fore = np.where(far.any(1)[:, None], tries[np.arange(n), far.argmax(1)], (back + 128) % 256)  # (n, 3)
    knots = _integers(stream(8), -TEXTURE, TEXTURE, n, 2, 3, 5, 5)
    grain = stream(15)
    # bilinear weights from 5 knots to SIDE points, in 2 · SIDE-ths: each row sums to 2 · SIDE
    place = 4 * (2 * np.arange(SIDE) + 1)
    soft = np.maximum(2 * SIDE - abs(place[:, None] - 2 * SIDE * np.arange(5)), 0)  # (SIDE, 5)

    images = np.empty((n, 3, SIDE, SIDE), dtype=np.uint8)
    for start in range(0, n, BLOCK):
        part = slice(start, start + BLOCK)
        field = (soft @ knots[part] @ soft.T // (4 * SIDE * SIDE)).astype(np.int16)  # (b, 2, 3, SIDE, SIDE)
        under, over = (field[:, i] + c[part, :, None, None].astype(np.int16) for i, c in enumerate((back, fore)))
        picture = _mix(under, over, coverage(labels[part], x[part], y[part], size[part], angle[part], SIDE))
        images[part] = (picture + _noise(grain, picture.shape)).clip(0, 255)  # (b, 3, SIDE, SIDE)

    factors = {"shape": labels, "foreground": fore.astype(np.uint8), "background": back.astype(np.uint8)}
    parts = {"x": x / (2 * grid), "y": y / (2 * grid), "size": size / grid, "angle": angle / 4}
    factors |= {name: values.astype(np.float32) for name, values in parts.items()}
    return _dataset("shapes10", split, images, labels, NAMES, factors)


PALETTE = {  # Okabe and Ito's colours, told apart by every kind of colour vision
    "orange": (230, 159, 0), "sky blue": (86, 180, 233), "green": (0, 158, 115), "yellow": (240, 228, 66),
    "blue": (0, 114, 178), "vermilion": (213, 94, 0), "purple": (204, 121, 167), "white": (255, 255, 255),
}  # fmt: skip
FIGURES = ("disc", "square", "triangle", "star", "cross", "heart")
PLACES = 10  # the centre lies on a grid of 10×10 places, 4 points apart
BACKGROUND = 32  # dark grey
HELD_OUT = 800  # of 4,800 images


@functools.lru_cache(maxsize=4)
def coloured_shapes(split: str, seed: int = 0) -> Dataset:
    """6 shapes × 8 colours × 100 places = 4,800 distinct images (n, 3, 64, 64) uint8; the seed picks 800 as test.

    Label = shape. Factors: shape, colour (index into PALETTE), location (0 … 99, row by row), column and row (0 … 9),
    all (n,) int64, and the centre x and y (n,) float32, right and down from the middle as parts of the side.
    """
    side, shape_of = 64, (len(FIGURES), len(PALETTE), PLACES, PLACES)
    order = shuffled(int(np.prod(shape_of)), seed).numpy()
    chosen = order[HELD_OUT:] if split == "train" else order[:HELD_OUT]
    shape, colour, row, column = np.unravel_index(chosen, shape_of)  # (n,) each
    x, y = ((2 * place - PLACES + 1) * 4 * SAMPLES for place in (column, row))  # half samples from the middle
    size, angle = np.full(len(shape), 20 * SAMPLES), np.zeros(len(shape), dtype=np.int64)
    template = np.array([NAMES.index(name) for name in FIGURES])[shape]
    under = np.full((1, 3, 1, 1), BACKGROUND, dtype=np.int16)
    over = np.array(list(PALETTE.values()), dtype=np.int16)[colour][:, :, None, None]  # (n, 3, 1, 1)
    images = np.empty((len(shape), 3, side, side), dtype=np.uint8)
    for start in range(0, len(shape), BLOCK):
        part = slice(start, start + BLOCK)
        inside = coverage(template[part], x[part], y[part], size[part], angle[part], side)  # (b, side, side)
        images[part] = _mix(under, over[part], inside)
    factors = {"shape": shape, "colour": colour, "location": row * PLACES + column, "column": column, "row": row}
    factors |= {name: (place / (2 * side * SAMPLES)).astype(np.float32) for name, place in (("x", x), ("y", y))}
    return _dataset("coloured_shapes", split, images, shape, FIGURES, factors)


def _dataset(name: str, split: str, images: np.ndarray, labels: np.ndarray, classes: tuple, factors: dict) -> Dataset:
    tensors = {key: torch.from_numpy(np.ascontiguousarray(values)) for key, values in factors.items()}
    return Dataset(name, split, torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)), classes, tensors)
