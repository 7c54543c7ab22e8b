"""Ten silhouettes, drawn with integers only, so that every machine produces the same bytes.

A silhouette is a question asked of a point (x, y) with odd integer coordinates from -255 to 255, y upwards: inside or
not? The answers fill one template of 256×256 cells per class. An image then looks up its points in the template.
"""

import functools
import math

import numpy as np

SAMPLES = 4  # an image point is the mean of 4×4 samples: smooth edges in 17 steps
CELLS = 256  # a template has 256×256 cells
TURN = 1440  # angles count quarter degrees
ONE = 1 << 14  # fixed-point 1.0 of the table of cosines

# In the star and in the table of cosines a float is rounded that lies far from a half: every machine rounds it alike.
STAR = [
    (round(-r * math.sin(i * math.pi / 5)), round(r * math.cos(i * math.pi / 5))) for i, r in enumerate(5 * (240, 108))
]
POLYGONS = {
    "triangle": [(0, 235), (-225, -165), (225, -165)],
    "star": STAR,
    "arrow": [(0, 235), (-195, 0), (-75, 0), (-75, -230), (75, -230), (75, 0), (195, 0)],
    "hourglass": [(-185, 225), (185, 225), (30, 0), (185, -225), (-185, -225), (-30, 0)],
}


def _in_polygon(x: np.ndarray, y: np.ndarray, corners: list[tuple[int, int]]) -> np.ndarray:
    """Even-odd rule: a point is inside when a ray to its right crosses the outline an odd number of times."""
    inside = np.zeros(np.broadcast(x, y).shape, dtype=bool)
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        side = (x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)
        inside ^= ((y0 > y) != (y1 > y)) & ((side > 0) == (y1 > y0))
    return inside


INSIDE = {
    "disc": lambda x, y: x * x + y * y <= 210**2,
    "ring": lambda x, y: (x * x + y * y <= 230**2) & (x * x + y * y >= 130**2),
    "crescent": lambda x, y: (x * x + y * y <= 235**2) & ((x - 110) ** 2 + y * y >= 195**2),
    "square": lambda x, y: (abs(x) <= 185) & (abs(y) <= 185),
    "triangle": lambda x, y: _in_polygon(x, y, POLYGONS["triangle"]),
    "star": lambda x, y: _in_polygon(x, y, POLYGONS["star"]),
    "cross": lambda x, y: ((abs(x) <= 70) & (abs(y) <= 230)) | ((abs(y) <= 70) & (abs(x) <= 230)),
    "heart": lambda x, y: (x * x + (y - 20) ** 2 - 185**2) ** 3 <= 185 * x * x * (y - 20) ** 3,
    "arrow": lambda x, y: _in_polygon(x, y, POLYGONS["arrow"]),
    "hourglass": lambda x, y: _in_polygon(x, y, POLYGONS["hourglass"]),
}
NAMES = tuple(INSIDE)


@functools.cache
def templates() -> np.ndarray:
    """All silhouettes, (10, 256, 256) uint8, 1 inside and 0 outside; row 0 is the top, and the border is empty."""
    axis = 2 * np.arange(CELLS) + 1 - CELLS
    x, y = axis[None, :], -axis[:, None]
    return np.stack([np.broadcast_to(inside(x, y), (CELLS, CELLS)) for inside in INSIDE.values()]).astype(np.uint8)


@functools.cache
def cosines() -> np.ndarray:
    """round(cos(quarter degree) · 2^14) for a whole turn, (1440,) int32; none comes nearer to a half than 0.0004."""
    return np.rint(ONE * np.cos(np.arange(TURN) * (2 * np.pi / TURN))).astype(np.int32)


def coverage(
    labels: np.ndarray, x: np.ndarray, y: np.ndarray, size: np.ndarray, angle: np.ndarray, side: int
) -> np.ndarray:
    """How many of the 4×4 samples of each image point lie inside the silhouette: (n, side, side) uint8, 0 … 16.

    labels (n,): index into NAMES.  x, y (n,): centre, in half samples from the middle of the image, right and down.
    size (n,): side of the template's square in samples.  angle (n,): quarter degrees, counter-clockwise.
    """
    # (n,) template cells per sample, fixed point
    cos, sin = (cosines()[turn % TURN] * CELLS // size for turn in (angle, angle - TURN // 4))
    flat, start = templates().reshape(-1), (labels * CELLS * CELLS).astype(np.int32)[:, None, None]
    axis = 2 * np.arange(side * SAMPLES) + 1 - side * SAMPLES  # (side · 4,) samples, in half samples from the middle
    px, py = axis[None, :] - x[:, None], axis[None, :] - y[:, None]  # (n, side · 4)
    middle = CELLS * ONE  # half the template, in half samples
    column_x, column_y = (cos[:, None] * px + middle).astype(np.int32), (-sin[:, None] * py).astype(np.int32)
    row_x, row_y = (sin[:, None] * px + middle).astype(np.int32), (cos[:, None] * py).astype(np.int32)
    total = np.zeros((len(labels), side, side), dtype=np.uint8)
    for i in range(SAMPLES):
        for j in range(SAMPLES):
            column = _cell(column_x[:, None, j::SAMPLES] + column_y[:, i::SAMPLES, None])  # (n, side, side)
            row = _cell(row_x[:, None, j::SAMPLES] + row_y[:, i::SAMPLES, None])  # (n, side, side)
            total += flat.take((row << 8) + column + start)
    return total


def _cell(place: np.ndarray) -> np.ndarray:
    """Half cells in fixed point → cell 0 … 255. Unsigned, a place left of 0 is huge, so one minimum clips both ends."""
    return np.minimum((place >> 15).view(np.uint32), CELLS - 1).view(np.int32)
