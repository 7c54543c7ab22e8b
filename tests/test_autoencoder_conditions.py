"""Conditions of notebook 04's claims come out either way: worlds in which the claim holds, fails, or is hidden."""

import numpy as np
import pytest
import torch

from latentlab.evaluation import Unresolved, ahead, measure_correlation
from latentlab.recipes.autoencoder.measures import RANGES, falling, gain, growth_by_correlation, lower, paired

LOW, MIDDLE, HIGH, TOP = RANGES.values()


def world(noise=0.0, **measures):
    """A table of every size with two seeds; measures: functions of d."""
    rng = np.random.default_rng(0)
    sizes = [d for r in RANGES.values() for d in r]
    rows = {
        d: [{m: f(d) + noise * rng.standard_normal() for m, f in measures.items()} for _ in range(2)] for d in sizes
    }
    return {str(d): [row | {"d": d} for row in seeds] for d, seeds in rows.items()}


def codes(correlation, drawn=2000):
    """A table of measured correlations of codes whose coordinates all share `correlation(d)` of their variance."""
    g = torch.Generator().manual_seed(0)

    def of(d):
        shared = torch.randn(drawn, 1, generator=g) * correlation(d) ** 0.5
        r = measure_correlation(shared + torch.randn(drawn, d, generator=g) * (1 - correlation(d)) ** 0.5)
        return {"d": d, "norm": r.norm, "mean r²": r.mean_square, "log det R": r.log_determinant}

    return {str(d): [of(d), of(d)] for r in RANGES.values() for d in r}


def verdict(conditions):
    """All three answers as letters, in order: t(rue), f(alse), ?"""
    return "".join("?" if isinstance(c, Unresolved) else "ft"[c] for c in conditions)


FALLS, RISES, FLAT = (lambda d: 1 / d), (lambda d: d / 100), (lambda d: 1.0)


@pytest.mark.parametrize(
    ("ids", "measure"),
    [
        ("A-1.1.2 A-1.1.4 A-1.1.5 A-1.1.7", "test error"), ("A-1.1.3", "steps to own floor"),
        ("A-1.1.6", "fluctuation"), ("A-1.3.1 A-1.3.6 A-1.3.10", "mean |r|"),
        ("A-1.3.8", "pixel correlation"), ("A-1.2.2", "pixel width"),
    ],
)  # fmt: skip
def test_lower_with_d_can_hold_fail_and_be_hidden(ids, measure):
    seen = [verdict(falling(world(0.01, **{measure: f}), measure, RANGES).values()) for f in (FALLS, RISES, FLAT)]
    assert seen[:2] == ["ttt", "fff"] or seen[:2] == ["tt?", "fff"]  # 1/50 and 1/100 differ by as much as the noise
    assert "t" not in seen[2] and "f" not in seen[2]


# .3, .4, A-1.3.2
@pytest.mark.parametrize("measure", ["recognised", "components", "sharpness", "norm", "neighbours"])
def test_higher_with_d_can_hold_and_fail(measure):
    for f, said in ((RISES, "ttt"), (FALLS, "fff")):
        assert verdict(falling(world(0.0005, **{measure: f}), measure, RANGES, rising=True).values()) == said


def test_the_shorter_group_begins_anew_and_seeds_stay_together():
    table = {str(d): [{"m": d}, {"m": d + 0.5}] for d in range(9)}
    a, b = paired(table, "m", (0, 1), (5, 6, 7))
    assert a.tolist() == [0, 0.5, 1, 1.5, 0, 0.5] and b.tolist() == [5, 5.5, 6, 6.5, 7, 7.5]
    assert lower(table, "m", (0, 1), (5, 6, 7), by=10) is False


@pytest.mark.parametrize(("law", "moderate"), [(lambda d: 1 / d, True), (lambda d: 2 - d / 100, False)])
def test_a_gain_per_number_is_moderate_or_not(law, moderate):
    table = world(0.0001, **{"test error": law})
    first, later = gain(table, LOW, MIDDLE), gain(table, LOW, HIGH)
    assert ahead(first / 3, later[: len(first)]) is moderate


@pytest.mark.parametrize(("correlation", "carried"), [(lambda d: 0.2, False), (lambda d: min(0.9, d / 60), True)])
def test_the_norm_grows_by_the_dimension_or_by_correlations(correlation, carried):
    table = codes(correlation)
    assert verdict(falling(table, "norm", RANGES, rising=True).values()) == "ttt"
    assert ahead(growth_by_correlation(table, LOW, TOP), 0.5) is carried


def test_the_norm_need_not_grow():  # a norm between √d and d may fall from 14 to 50 numbers
    assert verdict(falling(codes(lambda d: 0.98 if d < 15 else 0.01), "norm", RANGES, rising=True).values())[1] == "f"


@pytest.mark.parametrize(("correlation", "said"), [(lambda d: 0.2, "f"), (lambda d: 0.9 if d < 10 else 10.0**-d, "t")])
def test_the_determinant_moves_towards_one_or_zero(correlation, said):
    table = codes(correlation)
    assert verdict(falling(table, "log det R", RANGES, rising=True).values())[0] == said


@pytest.mark.parametrize(("frozen", "tuned", "said"), [(0.8, 0.7, "t"), (0.7, 0.8, "f")])
def test_one_regime_is_ahead_or_behind_by_a_point(frozen, tuned, said):
    rng = np.random.default_rng(1)
    luck = 0.1 * rng.standard_normal(5)  # of the labels drawn: shared, so pairs see through it
    one, two = (level + luck + 0.01 * rng.standard_normal(5) for level in (frozen, tuned))
    assert verdict([ahead(one, two, by=0.01)]) == said
