"""Rendering 2,000 images of shapes10 beside PIL's ImageDraw, which draws one polygon after the other; one core.

The peer gets all random numbers for free (ours draws its own) and uses the same 4×4 supersampling, blotches and noise.
"""

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw

from latentlab.data import shapes, silhouettes

N, SIDE = 2000, 32
GRID = SIDE * silhouettes.SAMPLES


def render():
    return shapes.shapes10.__wrapped__("train", N, 0)


def outlines() -> list[list[tuple[list[tuple[float, float]], int]]]:
    """Every class as polygons to draw in order, each with its value (1 fills, 0 cuts out), in the template's units."""
    turn = [2 * math.pi * i / 64 for i in range(64)]

    def circle(radius: float, x: float = 0.0) -> list[tuple[float, float]]:
        return [(x + radius * math.cos(a), radius * math.sin(a)) for a in turn]

    # polar form of (x² + y² − r²)³ = r x² y³: one radius per direction, by bisection
    def heart(angle: float) -> tuple[float, float]:
        low, high, (c, s) = 0.0, 300.0, (math.cos(angle), math.sin(angle))
        for _ in range(30):
            r = (low + high) / 2
            low, high = (r, high) if (r * r - 185**2) ** 3 <= 185 * (r * c) ** 2 * (r * s) ** 3 else (low, r)
        return low * c, 20 + low * s

    cross = [(70, 70), (230, 70), (230, -70), (70, -70), (70, -230), (-70, -230),
             (-70, -70), (-230, -70), (-230, 70), (-70, 70), (-70, 230), (70, 230)]  # fmt: skip
    drawn = {
        "disc": [(circle(210), 1)],
        "ring": [(circle(230), 1), (circle(130), 0)],
        "crescent": [(circle(235), 1), (circle(195, 110), 0)],
        "square": [([(-185, -185), (185, -185), (185, 185), (-185, 185)], 1)],
        "cross": [(cross, 1)],
        "heart": [([heart(a) for a in turn], 1)],
        **{name: [(corners, 1)] for name, corners in silhouettes.POLYGONS.items()},
    }
    return [drawn[name] for name in silhouettes.NAMES]


def draw_with_pil(factors: dict[str, np.ndarray], knots: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Images (n, 32, 32, 3) uint8 from the same factors, knots (n, 2, 5, 5, 3) and noise (n, 32, 32, 3)."""
    shapes_of, images = outlines(), np.empty((N, SIDE, SIDE, 3), dtype=np.uint8)
    for i in range(N):
        angle, scale = math.radians(factors["angle"][i]), factors["size"][i] * GRID / 512
        cos, sin = scale * math.cos(angle), scale * math.sin(angle)
        x0, y0 = GRID * (0.5 + factors["x"][i]), GRID * (0.5 + factors["y"][i])
        canvas = Image.new("L", (GRID, GRID))
        pen = ImageDraw.Draw(canvas)
        for corners, value in shapes_of[factors["shape"][i]]:
            pen.polygon([(x0 + cos * x - sin * y, y0 - sin * x - cos * y) for x, y in corners], fill=255 * value)
        mask = canvas.resize((SIDE, SIDE), Image.Resampling.BOX)
        layers = []
        for layer, colour in enumerate((factors["background"][i], factors["foreground"][i])):
            blotch = Image.fromarray(knots[i, layer]).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            values = np.asarray(blotch, dtype=np.int16) - 128 + colour.astype(np.int16)
            layers.append(Image.fromarray(values.clip(0, 255).astype(np.uint8)))
        picture = np.asarray(Image.composite(layers[1], layers[0], mask), dtype=np.int16) + noise[i]
        images[i] = picture.clip(0, 255)
    return images


@pytest.fixture(scope="module")
def measured() -> dict:
    return {}


@pytest.mark.benchmark(group=f"{N:,} images of shapes10, one core")
def test_latentlab(benchmark, measured):
    silhouettes.templates(), silhouettes.cosines()
    measured["ours"] = benchmark.pedantic(render, rounds=5, warmup_rounds=1)
    measured["our seconds"] = benchmark.stats.stats.median


@pytest.mark.benchmark(group=f"{N:,} images of shapes10, one core")
def test_pil(benchmark, measured):
    rng = np.random.default_rng(0)
    knots = (128 + rng.integers(-shapes.TEXTURE, shapes.TEXTURE + 1, (N, 2, 5, 5, 3))).astype(np.uint8)
    noise = rng.integers(-shapes.NOISE, shapes.NOISE + 1, (N, SIDE, SIDE, 3)).astype(np.int16)
    factors = {name: value.numpy() for name, value in render().factors.items()}
    measured["peer"] = benchmark.pedantic(draw_with_pil, (factors, knots, noise), rounds=3, warmup_rounds=1)
    measured["peer seconds"] = benchmark.stats.stats.median


def test_the_same_pictures_and_the_table(measured, results, capsys):
    """Reads what was measured above: run the whole file."""
    ours, peer = measured["ours"].images.permute(0, 2, 3, 1).numpy().astype(int), measured["peer"].astype(int)
    difference = abs(ours - peer).mean()
    assert difference < 2 * shapes.TEXTURE, (
        f"The peer draws other pictures: they differ by {difference:.1f} of 255 on average."
    )
    ratio = results.add(f"rendering {N:,} shapes10", measured["our seconds"], measured["peer seconds"], "PIL ImageDraw")
    with capsys.disabled():
        print(f"\n{N:,} shapes10: {measured['our seconds']:.2f} s, PIL {ratio:.1f} times that")
        print(f"mean difference of the pictures: {difference:.1f} of 255")
