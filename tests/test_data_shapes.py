"""Rendered sets and digits: the same bytes everywhere, and pictures that show what their factors say."""

import numpy as np
import pytest
import torch
from matplotlib.path import Path as Outline

from latentlab.data import PALETTE, load, shapes, silhouettes
from latentlab.data.real import enlarge
from latentlab.data.shapes import BACKGROUND
from latentlab.data.silhouettes import CELLS, NAMES, POLYGONS, TURN, cosines, coverage, templates

PLAIN = {"ROTATION": 40, "POSITION": 10, "SMALLEST": 45, "LARGEST": 60, "CONTRAST": 100, "TEXTURE": 0, "NOISE": 0}
FULL = {"ROTATION": 33, "POSITION": 20, "SMALLEST": 40, "LARGEST": 80, "CONTRAST": 90, "TEXTURE": 40, "NOISE": 12}


def drawn(n, settings):
    """shapes10 with other settings."""
    with pytest.MonkeyPatch.context() as change:
        for name, value in settings.items():
            change.setattr(shapes, name, value)
        return shapes.shapes10.__wrapped__("train", n)


def cover(image, foreground, background):
    """How much of each point the silhouette covers, 0 … 1, from the colour between back- and foreground."""
    fore, back = foreground.double()[:, None, None], background.double()[:, None, None]
    way = fore - back
    return ((image.double() - back) * way).sum(0) / (way * way).sum()


@pytest.mark.parametrize(
    ("name", "split", "n", "expected"),
    [
        # These bytes are the same on every machine.
        ("shapes10", "train", 400, "73287f39cd654ae04ce252b835dc577a7c70545ba88d9cfe7df3125cb033f9a6"),
        ("shapes10", "test", 400, "74227754eb09185818203526420450b25c28a4a09308d3f0e8c8675f896e7acd"),
        ("coloured_shapes", "train", 400, "81aecd68f7db19dbec35726e1b8a4d9d0b14e897db91b0ef6d434e9c21289d8b"),
        ("coloured_shapes", "test", None, "94b2a1cdc4f6e6fb3c3d63e0307c5f2a1a4e112359682e6022001a3494e061fd"),
        ("digits", "train", None, "4c544c16172434ea1f8a5ca5f8e6b51308ae77aa839b9a71b34ef3b40650bb73"),
        ("digits", "test", None, "2a943a745782b844ed61642a147e76ed743cc3b2e85be00dfd91f7c4ac1da393"),
    ],
)
def test_bytes_are_the_same_on_every_machine(name, split, n, expected):
    assert load(name, split, n=n).checksum == expected


def test_harder_bytes_are_the_same_on_every_machine():
    assert drawn(400, FULL).checksum == "f20825e77b3da37c4e780a8a0fbedf56342453bcb90fdfaf791a19f11a90152c"


def test_fewer_images_are_the_beginning_of_more():
    more, fewer = load("shapes10", n=523), load("shapes10", n=251)
    assert torch.equal(more.images[:251], fewer.images)
    assert torch.equal(more.labels[:251], fewer.labels)
    assert all(torch.equal(more.factors[key][:251], fewer.factors[key]) for key in fewer.factors)


def test_splits_and_seeds_share_no_image():
    sets = [load("shapes10", "train", n=200), load("shapes10", "test", n=200), load("shapes10", "train", n=200, seed=1)]
    pictures = torch.cat([data.images for data in sets]).flatten(1)
    assert len(pictures.unique(dim=0)) == 600


def test_every_ten_images_hold_each_class_once_in_varying_order():
    labels = load("shapes10", n=200).labels.reshape(-1, 10)
    assert torch.equal(labels.sort(dim=1).values, torch.arange(10).expand(20, 10))
    assert len(labels.unique(dim=0)) > 15


def test_factors_lie_in_the_ranges_of_the_settings_and_use_them():
    data = drawn(3000, FULL)
    ranges = {"x": (-0.2, 0.2), "y": (-0.2, 0.2), "size": (0.4, 0.8), "angle": (-33.0, 33.0)}
    for key, (low, high) in ranges.items():
        values, slack, step = data.factors[key], (high - low) / 60, 1 / 128  # a step is one sample
        assert low - step <= values.min() < low + slack and high - slack < values.max() <= high + 1e-6, key
    fore, back = data.factors["foreground"].int(), data.factors["background"].int()
    assert ((fore - back) ** 2).sum(1).min() >= FULL["CONTRAST"] ** 2


def test_factors_draw_the_picture_again():
    data = drawn(60, PLAIN)
    f = {key: values.numpy().astype(float) for key, values in data.factors.items()}
    whole = [
        np.rint(f[key] * times).astype(int) for key, times in (("x", 256), ("y", 256), ("size", 128), ("angle", 4))
    ]
    inside = torch.from_numpy(coverage(data.labels.numpy(), *whole, 32)) / 16  # (60, 32, 32)
    for i in range(60):
        part = cover(data.images[i], data.factors["foreground"][i], data.factors["background"][i])
        assert (part - inside[i]).abs().max() < 0.02


def test_where_no_colour_is_far_enough_the_opposite_is():
    colours = drawn(300, PLAIN | {"CONTRAST": 220}).factors
    apart = (colours["foreground"].int() - colours["background"].int()).abs()
    assert (apart**2).sum(1).min() >= 220**2 and (apart == 128).all(1).sum() > 30


def test_pictures_show_their_factors():
    data = drawn(400, PLAIN)
    half, points = 16, torch.arange(32) - 15.5
    checked = 0
    for i in range(len(data)):
        f = {key: values[i] for key, values in data.factors.items()}
        part = cover(data.images[i], f["foreground"], f["background"])
        assert part.min() > -0.02 and part.max() < 1.02  # nothing but mixtures of the two colours
        # their centroid is their centre
        if data.classes[data.labels[i]] in ("disc", "ring", "square", "cross", "hourglass"):
            x, y = (part.sum(0) * points).sum() / part.sum(), (part.sum(1) * points).sum() / part.sum()
            assert abs(x - 32 * f["x"]) < 0.1 and abs(y - 32 * f["y"]) < 0.1
            checked += 1
        if data.classes[data.labels[i]] == "disc":
            radius = 210 / 256 * half * f["size"]
            assert part.sum() == pytest.approx(float(torch.pi * radius**2), rel=0.03)
    assert checked == 200


@pytest.mark.parametrize("name", sorted(POLYGONS))
@pytest.mark.parametrize("degrees", [0, 30, -75, 200])
def test_polygons_agree_with_matplotlib(name, degrees):
    """Counter-clockwise turn, shift right and down, size: against floating point with 16×16 samples per point."""
    side, size, x, y = 32, 80, 9, -6  # size in samples (20 points); the shift in half samples
    one = np.array
    mine = coverage(one([NAMES.index(name)]), one([x]), one([y]), one([size]), one([degrees * 4]), side)[0] / 16
    turn = np.deg2rad(degrees)
    corners = np.array(POLYGONS[name]) / 256 * (size / 4 / 2)
    corners = corners @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners = corners * [1, -1] + np.array([x, y]) / 8 + side / 2  # rows count downwards
    fine = (np.arange(side * 16) + 0.5) / 16
    grid = np.stack(np.meshgrid(fine, fine), -1).reshape(-1, 2)
    exact = Outline(corners).contains_points(grid).reshape(side, 16, side, 16).mean((1, 3))
    assert abs(mine - exact).max() < 0.3 and abs(mine - exact).mean() < 0.006


def test_table_of_cosines_is_the_cosine():
    assert np.array_equal(cosines(), np.rint(np.cos(np.arange(TURN) * 2 * np.pi / TURN) * 2**14))


def test_templates_are_ten_different_silhouettes_with_an_empty_border():
    cells = templates()
    assert cells.shape == (10, CELLS, CELLS) and set(np.unique(cells)) == {0, 1}
    assert not cells[:, [0, -1]].any() and not cells[:, :, [0, -1]].any()
    flat = cells.reshape(10, -1).astype(float)
    overlap = (flat @ flat.T) / (flat.sum(1)[:, None] + flat.sum(1) - flat @ flat.T)
    assert overlap[~np.eye(10, dtype=bool)].max() < 0.85


@pytest.mark.parametrize("field", ["TEXTURE", "NOISE"])
def test_each_disturbance_changes_the_picture_and_nothing_else(field):
    a, b = drawn(100, PLAIN), drawn(100, PLAIN | {field: 4})
    changed = (a.images != b.images).flatten(1).any(1)
    assert changed.float().mean() > 0.9
    assert all(torch.equal(a.factors[key], b.factors[key]) for key in a.factors)
    assert (a.images.int() - b.images.int()).abs().max() <= 4


def test_noise_is_uniform_and_centred():
    a, b = drawn(300, PLAIN).images.int(), drawn(300, PLAIN | {"NOISE": 10}).images.int()
    noise = (b - a)[(a >= 10) & (a <= 245)]
    counts = torch.bincount(noise + 10).double()
    assert len(counts) == 21 and (counts / counts.mean() - 1).abs().max() < 0.15
    assert noise.double().mean().abs() < 0.05


def test_no_images_are_refused():
    with pytest.raises(ValueError, match="n = 0"):
        load("shapes10", n=0)


def test_coloured_shapes_are_all_combinations_once():
    train, test = load("coloured_shapes"), load("coloured_shapes", "test")
    assert (len(train), len(test)) == (4000, 800) and train.images.shape[1:] == (3, 64, 64)
    f = {key: torch.cat([train.factors[key], test.factors[key]]) for key in train.factors}
    assert load("coloured_shapes", "test", seed=1).checksum != test.checksum
    assert len(torch.stack([f["shape"], f["colour"], f["location"]], 1).unique(dim=0)) == 6 * 8 * 100
    assert torch.equal(f["location"], 10 * f["row"] + f["column"])
    images = torch.cat([train.images, test.images])
    keys = {image.numpy().tobytes() for image in images}
    assert len(keys) == 4800
    assert torch.equal(train.labels, train.factors["shape"])


def test_coloured_shapes_show_their_factors():
    data, points = load("coloured_shapes", n=500), torch.arange(64) - 31.5
    colours, back = torch.tensor(list(PALETTE.values())), torch.full((3,), BACKGROUND)
    for i in range(500):
        part = cover(data.images[i], colours[data.factors["colour"][i]], back)
        assert part.max() == pytest.approx(1.0, abs=0.01)  # the named colour is there
        assert part[:4].max() == part[-4:].max() == part[:, :4].max() == part[:, -4:].max() == 0  # wholly inside
        if data.classes[data.labels[i]] in ("disc", "square", "cross"):
            x, y = (part.sum(0) * points).sum() / part.sum(), (part.sum(1) * points).sum() / part.sum()
            assert abs(x - 64 * data.factors["x"][i]) < 0.1 and abs(y - 64 * data.factors["y"][i]) < 0.1


def test_coloured_shapes_are_finite_and_say_so():
    with pytest.raises(ValueError, match="4,000"):
        load("coloured_shapes", n=4001)


def test_digits_are_enlarged_bilinearly():
    small = np.random.default_rng(0).integers(0, 17, (20, 8, 8))
    padded = torch.nn.functional.pad(torch.from_numpy(small)[:, None].double(), (2, 2, 2, 2))
    large = torch.nn.functional.interpolate(padded, scale_factor=2.5, mode="bilinear", align_corners=False)[
        :, 0, 1:-1, 1:-1
    ]
    assert abs(enlarge(small) - large.numpy() * 255 / 16).max() <= 0.5 + 1e-9


def test_digits_are_real_balanced_and_disjoint():
    train, test = load("digits"), load("digits", "test")
    assert (len(train), len(test)) == (1437, 360) and train.images.shape[1:] == (1, 28, 28)
    assert abs(test.labels.bincount() * 1797 / 360 - torch.cat([train.labels, test.labels]).bincount()).max() < 5
    both = {image.numpy().tobytes() for image in torch.cat([train.images, test.images])}
    assert len(both) == 1797


@pytest.mark.parametrize("name", ["shapes10", "coloured_shapes", "digits"])
def test_unknown_split_is_named(name):
    with pytest.raises(ValueError, match="'valid'.*train"):
        load(name, "valid")


def test_silhouettes_need_no_floating_point(monkeypatch):
    """The tables hold integers; a float anywhere would show in their types."""
    assert silhouettes.cosines().dtype == np.int32 and silhouettes.templates().dtype == np.uint8
    zero = np.zeros(1, dtype=np.int64)
    assert coverage(zero, zero, zero, zero + 64, zero, 32).dtype == np.uint8
