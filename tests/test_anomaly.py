"""Scores against scikit-learn, pairs counted one by one, traits of drawn images, digits as the encoder's input."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from latentlab import evaluation as ev
from latentlab import plots
from latentlab.data.foreign import on_ground, to_input

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("k", [1, 2, 7])
def test_the_score_is_the_mean_distance_to_the_nearest(k):
    known, rows = RNG.standard_normal((80, 5)) + 30, RNG.standard_normal((40, 5)) + 30
    theirs = NearestNeighbors(n_neighbors=k).fit(known).kneighbors(rows)[0].mean(1)
    ours = ev.knn_score(known, rows, k)
    assert ours.dtype == torch.float64 and np.allclose(ours, theirs, rtol=1e-5)
    assert ev.knn_score(known, known, 1).max() == 0  # a training image is its own nearest


def test_a_rare_place_scores_high_though_it_lies_in_the_middle():
    """Density, not distance from the mean: the centre of a ring is empty."""
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert ev.knn_score(ring, np.zeros((1, 2)))[0] > 10 * ev.knn_score(ring, 1.05 * ring[:1])[0]


@pytest.mark.parametrize("decimals", [0, 1, 12])  # few decimals: many ties
def test_pairs_are_counted_exactly(decimals):
    home, away = RNG.normal(0, 1, 120).round(decimals), RNG.normal(1, 1, 90).round(decimals)
    found = ev.detection(home, away)
    difference = away[None] - home[:, None]
    assert (found.inverted, found.tied) == ((difference < 0).sum(), (difference == 0).sum())
    assert found.auc == pytest.approx(roc_auc_score([0] * 120 + [1] * 90, np.concatenate([home, away])), abs=1e-12)


def test_no_pair_in_the_wrong_order_is_lost():
    home, away = np.arange(10_000.0), np.arange(10_000.0, 20_000)
    assert ev.detection(home, away) == (1, 0, 0)
    away[0] = home[-1] - 0.5  # one pair of 10⁸
    one = ev.detection(home, away)
    assert (one.inverted, one.tied) == (1, 0) and f"{one.auc:.6f}" == "1.000000"
    away[0] = home[-1]
    tied = ev.detection(home, away)
    assert (tied.inverted, tied.tied) == (0, 1) and tied.auc == 1 - 0.5e-8
    assert ev.detection(away, home).auc == pytest.approx(0, abs=1e-7)


def test_the_most_anomalous_come_first_and_equals_by_index():
    assert ev.most_anomalous([3.0, 9, 1, 9, 5], 3).tolist() == [1, 3, 4]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda y: ev.knn_score(y[:1], y), "k = 2 neighbours asked for, but the base offers 1"),
        (lambda y: ev.knn_score(y, y[:, :3]), "reference has 5 dimensions but y has 3"),
        (lambda y: ev.knn_score(np.where(y > 9, y, np.nan), y), "reference holds NaN"),
        (lambda y: ev.knn_score(y, np.where(y > 9, y, np.nan)), "^y holds NaN"),
        (lambda y: ev.knn_score(y, y, 0), "Choose 1"),
        (lambda y: ev.detection([1.0, np.nan], [2.0]), "inliers holds NaN"),
        (lambda y: ev.detection([1.0], []), "outliers has shape"),
        (lambda y: ev.detection(y, [2.0]), "inliers has shape"),
        (lambda y: ev.most_anomalous([1.0, 2.0], 7), "7 most anomalous of 2"),
        (lambda y: ev.traits(y), "expected uint8"),
        (lambda y: ev.traits(torch.zeros(2, 3, 4, 4, dtype=torch.uint8)), "all border"),
        (lambda y: to_input(torch.zeros(2, 1, 28, 28)), "expected uint8"),
        (lambda y: to_input(torch.zeros(2, 2, 28, 28, dtype=torch.uint8)), "c = 1 or 3"),
        (lambda y: to_input(torch.zeros(2, 1, 40, 28, dtype=torch.uint8)), "do not fit"),
        (lambda y: to_input(torch.zeros(2, 1, 28, 28, dtype=torch.uint8), how="crop"), "'crop' is unknown"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(RNG.standard_normal((20, 5)))


def square(side, ground, ink, n=32):
    """One picture (1, 3, n, n): a square of one colour in the middle of another."""
    image = torch.empty(1, 3, n, n, dtype=torch.uint8)
    image[:] = torch.tensor(ground, dtype=torch.uint8)[None, :, None, None]
    low = (n - side) // 2
    image[:, :, low : low + side, low : low + side] = torch.tensor(ink, dtype=torch.uint8)[:, None, None]
    return image


def test_traits_of_a_drawn_square():
    image = square(16, (0, 0, 0), (255, 255, 255))
    found = {name: values.item() for name, values in ev.traits(image).items()}
    quarter = 16 * 16 / 32**2
    wanted = {"brightness": quarter, "contrast": (quarter * (1 - quarter)) ** 0.5, "black share": 1 - quarter,
              "object size": quarter, "border brightness": 0.0}  # fmt: skip
    assert found == pytest.approx(wanted, abs=1e-6)
    coloured = square(10, (200, 40, 10), (190, 90, 10))  # 51 steps apart: too little to be an object
    assert ev.border_colour(coloured).tolist() == [[200, 40, 10]]
    assert ev.traits(coloured)["object size"].item() == 0 and ev.traits(coloured)["black share"].item() == 0
    many = torch.cat([image, coloured] * 1100)  # more than one block
    assert torch.equal(ev.traits(many)["object size"][-2:], torch.tensor([quarter, 0.0]))


@pytest.mark.parametrize("width", [2, 4, 6])
def test_stroke_width_of_a_bar(width):
    bar = torch.zeros(1, 1, 60, 28, dtype=torch.uint8)
    bar[:, :, :, 10 : 10 + width] = 255
    assert ev.stroke_width(bar).item() == pytest.approx(width, rel=0.05)  # the ends count a little
    assert ev.stroke_width(torch.zeros(1, 1, 9, 9, dtype=torch.uint8)).item() == 0


def test_digits_at_the_door():
    digits = torch.randint(0, 256, (5, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    padded, resized = to_input(digits), to_input(digits, how="resize")
    assert padded.shape == resized.shape == (5, 3, 32, 32) and padded.dtype == resized.dtype == torch.uint8
    assert torch.equal(padded[:, 1:2, 2:30, 2:30], digits) and padded.sum() == 3 * digits.sum()
    reference = F.interpolate(digits.double(), (32, 32), mode="bilinear", align_corners=False)
    assert (resized[:, :1].double() - reference).abs().max() <= 0.51
    already = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    assert torch.equal(to_input(already), already)


def test_strokes_on_another_ground():
    digit = torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 1, 1, 3)
    ground = torch.tensor([100, 100, 100], dtype=torch.uint8).view(1, 1, 1, 3)
    assert on_ground(digit, ground).flatten().tolist() == [100, 255, 131]  # 51 of 255 is a fifth: 0.2 · 255 + 0.8 · 100
    assert torch.equal(on_ground(digit, torch.zeros_like(digit)), digit)


def test_figures_of_detectors_say_their_areas_and_limits():
    home, away = RNG.normal(0, 1, 300), RNG.normal(2, 1, 200)
    fig = plots.roc_curves({"a": (home, away), "b": (home, home + 9)})
    assert f"a ≈ {ev.detection(home, away).auc:.6f} and b ≈ 1.000000" in fig.alt
    assert len(fig.axes) == 2 and fig.axes[1].get_xscale() == "log"
    miss = fig.axes[1].get_lines()[1]  # no error at all is drawn as half an image
    assert (miss.get_xdata().min(), miss.get_ydata().min()) == (50 / 300, 50 / 300)
    fig = plots.score_histograms({"a": (home, away)}, ("shapes", "digits"))
    assert f"shapes up to ≈ {home.max():.3g}, digits from ≈ {away.min():.3g}".replace("-", "−") in fig.alt
    assert fig.axes[0].get_ylabel() == "images (%)" and fig.axes[0].patches[0].get_data().values.sum() == pytest.approx(
        100
    )


def test_joint_maps_show_strangers_apart_from_classes():
    points, labels = RNG.standard_normal((60, 2)), np.arange(60) % 3
    foreign = np.arange(60) >= 40
    fig = plots.joint_maps({"PCA": points, "t-SNE": points}, labels, list("xyz"), foreign, title="t")
    drawn = [[len(c.get_offsets()) for c in ax.collections] for ax in fig.axes]
    assert drawn == [[40, 20]] * 2 + [[60, n] for n in (14, 13, 13)] + [[]]  # no stranger counts as a class
    assert "40 known images of 3 classes and 20 strangers" in fig.alt
    with pytest.raises(ValueError, match="some, not all"):
        plots.joint_maps({"PCA": points}, labels, list("xyz"), np.zeros(60, dtype=bool), title="")
    with pytest.raises(ValueError, match="a point for each"):
        plots.joint_maps({"PCA": points[1:]}, labels, list("xyz"), foreign, title="")
