"""Search against a full table in NumPy, and what is counted of its results against counting by hand."""

import resource
import sys

import numpy as np
import pytest
import torch

from latentlab import evaluation as ev
from latentlab import plots

RNG = np.random.default_rng(0)


def full_table(queries, base, metric):
    """Every distance in double precision, (m, n)."""
    q, x = queries.astype(np.float64), base.astype(np.float64)
    if metric == "euclidean":
        return np.linalg.norm(q[:, None] - x[None], axis=2)
    lengths = np.linalg.norm(q, axis=1)[:, None] * np.linalg.norm(x, axis=1)
    return 1 - np.divide(q @ x.T, lengths, out=np.zeros_like(lengths), where=lengths > 0)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize(("move", "stretch"), [(0, 1), (40, 1), (0, np.geomspace(1, 100, 9))])
def test_search_is_the_full_tables(metric, largest, move, stretch):
    base = ((RNG.standard_normal((300, 9)) + move) * stretch).astype(np.float32)
    queries = ((RNG.standard_normal((70, 9)) + move) * stretch).astype(np.float32)
    base[17] = 0 if move == 0 else base[17]  # a zero vector has no angle: distance 1
    table = full_table(queries, base, metric)
    order = np.argsort(-table if largest else table, axis=1)[:, :6]
    distances, indices = ev.neighbours(queries, base, 6, metric=metric, largest=largest)
    wanted = np.take_along_axis(table, order, 1)
    assert np.allclose(distances, wanted, rtol=1e-4, atol=1e-6)
    assert (indices.numpy() == order).mean() > 0.98  # rounding may swap near ties
    assert np.allclose(np.take_along_axis(table, indices.numpy(), 1), wanted, rtol=1e-4, atol=1e-6)


def test_the_furthest_of_points_with_equal_and_very_unequal_lengths():
    rows = RNG.standard_normal((200, 5)).astype(np.float32)
    for base in (rows / np.linalg.norm(rows, axis=1, keepdims=True), rows * np.geomspace(1e-3, 1e3, 200)[:, None]):
        table = full_table(rows, base.astype(np.float32), "euclidean")
        found = ev.neighbours(rows, base, 1, metric="euclidean", largest=True)
        assert np.allclose(found[0][:, 0], table.max(1), rtol=1e-5)


@pytest.mark.parametrize("largest", [False, True])
def test_a_row_among_its_twins_is_never_its_own_neighbour(largest):
    # 30 copies of each: the row itself need not be among k + 1
    rows = np.repeat(RNG.standard_normal((4, 3)), 30, axis=0)
    found = ev.neighbours(rows, rows, 7, metric="euclidean", largest=largest, exclude_self=True)[1]
    assert found.shape == (120, 7) and not (found == torch.arange(120)[:, None]).any()
    assert all(len(set(row)) == 7 for row in found.tolist())


def test_memory_stays_bounded():
    """All distances of 20,000 × 20,000 would take 1.6 GB in single precision."""
    rows = RNG.standard_normal((20_000, 8)).astype(np.float32)
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there, in kilobytes elsewhere
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    near = ev.neighbours(rows, rows, 5, metric="euclidean", exclude_self=True)[1]
    far = ev.neighbours(rows, rows, 5, metric="euclidean", largest=True)[1]
    assert near.shape == far.shape == (20_000, 5)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit - before < 300e6


def test_occurrences_find_the_hub():
    found = np.stack([np.full(30, 4), np.arange(30)], axis=1)
    counts = ev.occurrences(found, 50)
    assert counts[4] == 31 and counts[7] == 1 and counts[30:].sum() == 0 and counts.sum() == 60


def test_a_found_class_is_foretold_only_if_it_hangs_on_the_querys():
    asked = np.tile(np.arange(10), 40).repeat(2)  # each class among the even and the odd queries
    opposite = np.repeat((9 - asked)[:, None], 5, axis=1)
    assert ev.foretold(opposite, asked) > 0.85
    assert ev.foretold(np.full((800, 5), 3), asked) == 0  # one class always: knowing the query adds nothing
    assert abs(ev.foretold(RNG.integers(0, 10, (800, 5)), asked)) < 0.04


def test_standing_is_the_place_in_the_sorted_table():
    base, queries = RNG.standard_normal((60, 4)) + 5, RNG.standard_normal((30, 4)) + 5
    targets = RNG.integers(0, 60, 30)
    places = np.argsort(np.argsort(full_table(queries, base, "euclidean"), axis=1), axis=1)
    assert ev.standing(queries, base, targets).tolist() == pytest.approx(places[np.arange(30), targets] / 59)
    found = ev.neighbours(queries, base, 1, metric="euclidean", largest=True)[1][:, 0]
    assert (ev.standing(queries, base, found) == 1).all()


def test_distance_from_mean_ranks_the_outermost_last():
    y = np.concatenate([RNG.standard_normal((99, 3)), [[50.0, 0, 0]]])
    percentile = ev.distance_from_mean(y)
    away = np.linalg.norm(y - y.mean(0), axis=1)
    assert percentile[99] == 1 and percentile[away.argmin()] == 0
    assert np.array_equal(np.argsort(percentile.numpy()), np.argsort(away.astype(np.float32)))


def test_twins_are_found_under_other_brightness_and_nothing_else_is():
    images = RNG.integers(0, 256, (80, 3, 8, 8)).astype(np.uint8)
    queries = RNG.integers(0, 256, (20, 3, 8, 8)).astype(np.uint8)
    queries[3] = images[50] // 2 + 40  # darker and paler: the same picture
    queries[8] = 120  # flat: correlated with nothing
    queries[9] = 0.65 * images[60] + 0.35 * images[61]  # correlated by 0.88: not the same picture
    found, partner, correlation = ev.twins(queries, images)
    assert (found.tolist(), partner.tolist()) == ([3], [50])
    assert correlation[0] == pytest.approx(np.corrcoef(queries[3].ravel(), images[50].ravel())[0, 1], abs=1e-5)


def test_ratio_to_chance_is_zero_for_shared_and_one_for_unrelated_traits():
    values = RNG.standard_normal((500, 3))
    same = np.tile(np.arange(500)[:, None], 5)
    assert ev.ratio_to_chance(values, same, values) == 0
    assert ev.ratio_to_chance(values, RNG.integers(0, 500, (500, 5)), values) == pytest.approx(1, abs=0.04)
    furthest = ev.neighbours(values, values, 5, metric="euclidean", largest=True)[1]
    assert ev.ratio_to_chance(values, furthest, values) > 1.5
    assert ev.ratio_to_chance(values[:, 0], same[:7], values[:7, 0]) == 0  # one number each, other queries
    with pytest.raises(ValueError, match="same for all images"):
        ev.ratio_to_chance(np.ones(500), same, np.ones(500))


def test_ratio_to_chance_among_other_classes_does_not_see_the_own():
    labels = torch.arange(300) % 3
    # a trait that only the class decides
    values = labels * 10.0 + torch.rand(300, generator=torch.Generator().manual_seed(0))
    near = ev.neighbours(values[:, None], values[:, None], 5, metric="euclidean", exclude_self=True)[1]
    # some are of another class, by chance
    near[:, 4] = torch.randint(300, (300,), generator=torch.Generator().manual_seed(1))
    assert ev.ratio_to_chance(values, near, values) < 0.4
    assert ev.ratio_to_chance(values, near, values, classes=(labels, labels)) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda y: ev.standing(y * np.nan, y, np.zeros(30, dtype=int)), "NaN or infinity in 30 of 30 rows"),
        (lambda y: ev.standing(y, y[:, :2], np.zeros(30, dtype=int)), "4 dimensions but base has 2"),
        (lambda y: ev.standing(y, y, np.full(30, 30)), "the base has 30 rows"),
        (lambda y: ev.standing(y, y[:1], np.zeros(30, dtype=int)), "at least two base rows"),
        (lambda y: ev.neighbours(y, y[:3], 5), "the base offers 3"),
        (lambda y: ev.neighbours(y, y[:3], 5, largest=True), "the base offers 3"),
        (lambda y: ev.twins(y, np.where(y > 9, y, np.inf)), "base holds NaN or infinity"),
        (lambda y: ev.standing(y, y, np.zeros(29, dtype=int)), "one label for each of the 30 rows"),
        (lambda y: ev.occurrences(np.full((30, 2), -1), 30), "reach from -1"),
        (lambda y: ev.occurrences(np.zeros(30, dtype=int), 30), "one row per query"),
        (lambda y: ev.distance_from_mean(y * np.nan), "NaN"),
        (lambda y: ev.ratio_to_chance(y, np.zeros((29, 2), dtype=int), y), r"expected \(29, 4\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(RNG.standard_normal((30, 4)))


def pictures(*shape):
    return RNG.integers(0, 256, (*shape, 3, 32, 32)).astype(np.uint8)


def test_the_grid_frames_the_querys_class_and_says_how_many():
    near_same, far_same = np.eye(4, 5, dtype=bool), np.zeros((4, 5), dtype=bool)
    near_same[0], far_same[3, 2] = True, True
    fig = plots.retrieval_grid(
        pictures(4), pictures(4, 5), pictures(4, 5), near_same, far_same, list("abcd"), title="VICReg"
    )
    frames = [(patch.get_x(), patch.get_y()) for patch in fig.axes[0].patches]
    rows, columns = {y for _, y in frames}, sorted({x for x, _ in frames})
    assert len(frames) == 9 and rows == {1, 37, 73, 109}  # 8 near, 1 far; a picture and its gap are 36 points high
    assert columns == [*range(45, 45 + 5 * 36, 36), 6 * 36 + 16 + 2 * 36 + 1]
    assert "≈ 40 % of the nearest, ≈ 5 % of the furthest" in fig.alt and fig.alt.startswith("VICReg. 4 queries")
    with pytest.raises(ValueError, match="one mark for each picture"):
        plots.retrieval_grid(
            pictures(4), pictures(4, 5), pictures(4, 5), near_same[:3], far_same, list("abcd"), title=""
        )
    with pytest.raises(ValueError, match="differ in rows"):
        plots.retrieval_grid(pictures(4), pictures(3, 5), pictures(4, 5), near_same, far_same, list("abcd"), title="")
    with pytest.raises(ValueError, match="3 titles for 4 rows"):
        plots.retrieval_grid(pictures(4), pictures(4, 5), pictures(4, 5), near_same, far_same, list("abc"), title="")


def test_the_grid_shows_every_picture_where_it_belongs():
    queries, near, far = (np.full(shape, value, np.uint8) for shape, value in
                          (((1, 3, 32, 32), 10), ((1, 2, 3, 32, 32), 100), ((1, 3, 3, 32, 32), 200)))  # fmt: skip
    near[0, 1], far[0, 2] = 150, 240
    fig = plots.retrieval_grid(queries, near, far, np.zeros((1, 2)), np.zeros((1, 3)), ["a"], title="")
    canvas = fig.axes[0].images[0].get_array()[18, :, 0]
    runs = [int(v) for i, v in enumerate(canvas) if v < 245 and (i == 0 or canvas[i - 1] != v)]
    assert np.allclose(runs, [10, 100, 150, 200, 200, 240], atol=1)  # a page is reduced to 256 colours
