"""Measurements against reference implementations, and what they say to input that cannot be measured."""

import sys

import numpy as np
import pytest
import torch
from scipy.stats import norm, ttest_1samp
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from latentlab import evaluation as ev
from latentlab.evaluation import probe
from latentlab.evaluation.neighbours import vote

PIXELS, DIGITS = load_digits(return_X_y=True)
SPLIT = (PIXELS[:1200], DIGITS[:1200], PIXELS[1200:], DIGITS[1200:])


def blobs(n=400, d=6, classes=4, seed=0, unequal=30):
    """Classes that a linear layer separates to nine tenths, on dimensions of very unequal scales and a large mean."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    centres = 1.8 * np.random.default_rng(99).standard_normal((classes, d))
    scales = np.geomspace(1, unequal, d)
    return (50 + scales * (centres[labels] + rng.standard_normal((n, d)))).astype(np.float32), labels


@pytest.mark.parametrize("l2", [1e-4, 1e-2])
def test_converged_probe_is_scikit_learns_logistic_regression(l2, monkeypatch):
    assert probe.L2 == 1e-4
    monkeypatch.setattr(probe, "L2", l2)
    train, labels = blobs()
    test, truth = blobs(seed=1)
    prepared = [((x - train.mean(0)) / train.std(0)).astype(np.float64) for x in (train, test)]
    theirs = LogisticRegression(C=1 / (l2 * len(train)), tol=1e-8, max_iter=5000).fit(prepared[0], labels)
    for x, ready, y in ((train, prepared[0], labels), (test, prepared[1], truth)):
        ours = ev.linear_probe_converged(train, labels, x, y)
        assert (ours.predictions.numpy() == theirs.predict(ready)).mean() >= 0.9975  # one sample may lie on a border


@pytest.mark.parametrize("standardise", [True, False])
def test_ten_epochs_come_close_to_the_converged_probe(standardise):
    train, test = blobs(6000, unequal=5), blobs(2000, seed=1, unequal=5)  # 5: as in an untrained network on CIFAR-10
    short, long = ev.linear_probe(*train, *test, standardise=standardise), ev.linear_probe_converged(*train, *test)
    assert 0.75 < long.accuracy < 0.99  # room for a difference
    assert abs(short.accuracy - long.accuracy) < 0.02


def test_probe_reads_digits_and_is_the_same_for_arrays_and_tensors():
    first = ev.linear_probe(*SPLIT)
    again = ev.linear_probe(*(torch.as_tensor(a) for a in SPLIT))
    assert 0.85 < first.accuracy < ev.linear_probe(*SPLIT[:2], *SPLIT[:2]).accuracy
    assert torch.equal(first.predictions, again.predictions)
    assert first.accuracy == (first.predictions.numpy() == SPLIT[3]).mean()
    p, z = first.accuracy, norm.ppf(0.975)  # Wilson: (p + z²/2n ± z √(p (1 − p) / n + z²/4n²)) / (1 + z²/n)
    half = z * np.sqrt(p * (1 - p) / 597 + (z / (2 * 597)) ** 2)
    assert np.multiply(first.interval, 1 + z**2 / 597) == pytest.approx(
        [p + z**2 / 1194 - half, p + z**2 / 1194 + half]
    )
    name, *percent = first.row("pixels")
    assert name == "pixels" and np.allclose(percent, 100 * np.array([first.accuracy, *first.interval]))


def test_probe_does_not_depend_on_the_unit_or_the_origin_of_the_features():
    """The step is in units of the features' scale: an encoder with outputs near 0.001 is probed as well as any."""
    results = [ev.linear_probe(SPLIT[0] * unit + move, SPLIT[1], SPLIT[2] * unit + move, SPLIT[3]).accuracy
               for unit, move in ((1, 0), (1e-3, 0), (1e3, 0), (1, 20))]  # fmt: skip
    assert max(results) - min(results) < 0.006


def test_probe_keeps_label_values_and_survives_collapse():
    labels = np.where(DIGITS % 2 == 0, 70, -3)
    result = ev.linear_probe(PIXELS[:1200], labels[:1200], PIXELS[1200:], labels[1200:])
    assert set(result.predictions.tolist()) == {70, -3} and result.accuracy > 0.8
    flat = np.ones((300, 5)) + 1e-7 * np.random.default_rng(0).standard_normal((300, 5))
    read = (ev.linear_probe, ev.linear_probe_converged, lambda *data: ev.linear_probe(*data, standardise=True))
    for told in read:
        assert told(flat, DIGITS[:300], flat, DIGITS[:300]).accuracy < 0.25  # the share of the most frequent digit
    still = [np.hstack([rows, np.full((len(rows), 1), 3.0)]) for rows in SPLIT[::2]]  # a coordinate that says nothing
    plain = ev.linear_probe(*SPLIT, standardise=True)
    assert ev.linear_probe(still[0], SPLIT[1], still[1], SPLIT[3], standardise=True).accuracy == plain.accuracy > 0.85
    images = np.zeros((4, 1, 2, 2), dtype=np.uint8)
    images[2:] = 255
    assert ev.linear_probe(images, [0, 0, 1, 1], images, [0, 0, 1, 1]).accuracy == 1  # pixels are flattened


def spoilt(position, value):
    arguments = [a.copy() for a in SPLIT]
    arguments[position] = value(arguments[position])
    return arguments


def with_nan(a):
    a = a.astype(float)
    a[3, 2] = np.nan
    return a


BAD = [
    (0, with_nan, "train_y holds NaN or infinity in 1 of 1200 rows"),
    (2, with_nan, "test_y holds NaN"),
    (2, lambda a: a[:, :5], "64 dimensions but test_y has 5"),
    (0, lambda a: a[:0], "train_y has shape .0, 64."),
    (1, lambda a: a[:-1], "one label for each of the 1200 rows"),
    (3, lambda a: a + 0.5, "whole numbers"),
]


@pytest.mark.parametrize(("position", "value", "message"), BAD)
def test_probes_and_neighbours_say_what_is_wrong(position, value, message):
    for measure in (ev.linear_probe, ev.linear_probe_converged, ev.knn):
        with pytest.raises(ValueError, match=message):
            measure(*spoilt(position, value))


def test_probe_says_which_classes_are_missing():
    with pytest.raises(ValueError, match="All training labels are 0"):
        ev.linear_probe(*spoilt(1, np.zeros_like))
    with pytest.raises(ValueError, match=r"Test classes \[7, 8, 9\]"):
        ev.linear_probe(*spoilt(1, lambda a: a % 7))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("block", [1, 7, 1000])
def test_neighbours_are_scikit_learns(metric, block, monkeypatch):
    monkeypatch.setattr(sys.modules["latentlab.evaluation.neighbours"], "BLOCK", 200 * block)  # queries at a time
    rng = np.random.default_rng(0)
    base, queries = rng.standard_normal((200, 12)) + 3, rng.standard_normal((50, 12)) + 3
    reference = NearestNeighbors(n_neighbors=200, metric=metric, algorithm="brute").fit(base).kneighbors(queries)
    for largest in (False, True):
        distances, indices = ev.neighbours(queries, base, 9, metric=metric, largest=largest)
        wanted = [table[:, ::-1][:, :9] if largest else table[:, :9] for table in reference]
        assert np.array_equal(indices.numpy(), wanted[1])
        assert np.allclose(distances.numpy(), wanted[0], atol=1e-6, rtol=1e-5)


def test_near_duplicates_far_from_the_origin_keep_their_distance():
    """|q|² − 2 q·x + |x|² alone would lose these distances in rounding."""
    base = 10_000 + np.random.default_rng(0).standard_normal((50, 8))
    queries = base + np.array([0.1] + 7 * [0.0])
    distances, indices = ev.neighbours(queries, base, 1, metric="euclidean")
    assert indices.flatten().tolist() == list(range(50)) and np.allclose(distances, 0.1, rtol=0.02)


@pytest.mark.parametrize("block", [6, 2**22])  # one query at a time, all at once
def test_neighbours_leave_out_the_row_itself_and_order_equals_by_index(block, monkeypatch):
    monkeypatch.setattr(sys.modules["latentlab.evaluation.neighbours"], "BLOCK", block)
    same = np.tile([[1.0, 0.0]], (6, 1))
    distances, indices = ev.neighbours(same, same, 5, metric="euclidean", exclude_self=True)
    assert not distances.any()
    assert indices.tolist() == [[j for j in range(6) if j != i] for i in range(6)]
    furthest = ev.neighbours(same, same, 5, metric="euclidean", exclude_self=True, largest=True)[1]
    assert torch.equal(furthest, indices)  # all are as far, so all others are returned
    zero = np.zeros((1, 2))
    assert ev.neighbours(zero, same, 1, metric="cosine")[0].item() == 1
    with pytest.raises(ValueError, match="k = 6 neighbours .* offers 5"):
        ev.neighbours(same, same, 6, exclude_self=True)
    with pytest.raises(ValueError, match="same rows"):
        ev.neighbours(same[:3], same, 1, exclude_self=True)
    with pytest.raises(ValueError, match="'l1' is unknown"):
        ev.neighbours(same, same, 1, metric="l1")


def test_vote_takes_the_majority_and_breaks_ties_by_the_nearest():
    votes = torch.tensor([[5, 2, 2], [2, 5, 9], [9, 5, 5], [5, 2, 9]])
    assert vote(votes).tolist() == [2, 2, 5, 5]
    assert vote(torch.tensor([[3, 1, 1, 3]])).tolist() == [3]


@pytest.mark.parametrize("k", [1, 5])
def test_knn_is_scikit_learns(k):
    train, labels, test, truth = SPLIT
    theirs = KNeighborsClassifier(k, metric="cosine", algorithm="brute").fit(train, labels).predict(test)
    ours = ev.knn(*SPLIT, k=k)
    assert (ours.predictions.numpy() == theirs).mean() > 0.99  # ties are broken differently
    assert ours.accuracy == (ours.predictions.numpy() == truth).mean()
    loo = ev.knn_leave_one_out(test, truth, k)
    table = NearestNeighbors(n_neighbors=2).fit(test).kneighbors(test, return_distance=False)
    assert k > 1 or loo.accuracy == (truth[table[:, 1]] == truth).mean()


def test_spread_is_the_sample_standard_deviation():
    s = ev.spread([80.0, 82.0, 87.0])
    assert (s.mean, s.sd, s.n) == (83.0, pytest.approx(np.std([80, 82, 87], ddof=1)), 3)
    assert np.isnan(ev.spread([1.0]).sd)
    for bad in ([], [1.0, float("nan")]):
        with pytest.raises(ValueError, match="at least one value"):
            ev.spread(bad)


def test_pca_map_holds_the_largest_variances():
    y = PIXELS[:300]
    points = ev.pca_map(y)
    variances = np.sort(np.linalg.eigvalsh(np.cov(y.T)))[::-1]
    assert np.allclose(points.var(0, ddof=1), variances[:2], rtol=1e-4)
    assert np.array_equal(points, ev.pca_map(y))
    with pytest.raises(ValueError, match="n_components=2"):
        ev.pca_map(y[:, :1])


def test_tsne_is_deterministic_tells_classes_apart_and_its_spread_is_measured():
    y, labels = PIXELS[:250], DIGITS[:250]
    points = ev.tsne_map(y, seed=0, iterations=400)
    assert np.array_equal(points, ev.tsne_map(y, seed=0, iterations=400)) and points.shape == (250, 2)
    quality, flat = ev.map_quality(points, y, labels), ev.map_quality(ev.pca_map(y), y, labels)
    assert quality["knn_map"] > flat["knn_map"] + 0.1 and quality["trustworthiness"] > flat["trustworthiness"]
    assert quality["knn_full"] == flat["knn_full"] == ev.knn_leave_one_out(y, labels).accuracy
    assert 0.5 < ev.neighbour_overlap(points, ev.tsne_map(y, seed=0, iterations=360)) < 1  # not yet at rest
    with pytest.raises(ValueError, match="at least 91 and"):
        ev.tsne_map(y[:90], seed=0)


def test_a_perfect_map_is_perfect_and_a_shuffled_one_is_not():
    y = np.random.default_rng(0).standard_normal((200, 2))
    labels = (y[:, 0] > 0).astype(int)
    perfect = ev.map_quality(3 * y, y, labels)
    assert perfect["trustworthiness"] == 1 and perfect["knn_map"] == perfect["knn_full"]
    folded = np.abs(y)  # who is near stays near, but strangers come near, too
    assert (
        ev.map_quality(folded, y, labels)["trustworthiness"]
        < 0.9 * ev.map_quality(y, folded, labels)["trustworthiness"]
    )
    shuffled = ev.map_quality(y[::-1].copy(), y, labels)
    assert shuffled["trustworthiness"] < 0.6 and shuffled["knn_map"] < 0.7 < perfect["knn_map"]
    assert ev.neighbour_overlap(y, 3 * y) == 1 and ev.neighbour_overlap(y, y[::-1].copy()) < 0.2


@pytest.mark.parametrize(
    ("n", "message"), [(6000, "6000 rows: give at least 21 and at most 5000"), (20, "20 rows: give at least 21 and")]
)
def test_map_quality_says_what_is_wrong(n, message):
    rows, labels = np.zeros((n, 2)), np.arange(n) % 2
    with pytest.raises(ValueError, match=message):
        ev.map_quality(rows, rows, labels)
    with pytest.raises(ValueError, match="same samples"):
        ev.map_quality(rows[1:], rows, labels)


def test_spread_gives_the_student_interval():
    values = [70.0, 72.0, 74.0]
    low, high = ttest_1samp(values, 0).confidence_interval(0.95)
    assert ev.spread(values).interval == pytest.approx((low, high))
