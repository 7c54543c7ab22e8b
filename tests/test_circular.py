"""Circular statistics: against scipy, by their symmetries, by their gradients, and at the seam of the circle."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from latentlab.losses import DEGREES, angular_difference, circular_mean, circular_variance
from latentlab.losses.circular import RADIANS, mean_vector

PERIODS = [RADIANS, DEGREES, 24.0]
GRID = torch.arange(360, dtype=torch.float64)


def sample(n=(40,), period=RADIANS, seed=0, spread=0.3):
    """Angles round a direction near the seam, a few turns off, so that wrapping matters."""
    rng = np.random.default_rng(seed)
    return torch.as_tensor(period * (rng.normal(0.0, spread, n) + rng.integers(-3, 4, n)))


def shorter_arc(x, y):
    """The distance in whole degrees by trying every turn: the definition, in integers."""
    return min(abs(x - y + 360 * k) for k in range(-2, 3))


# ---- statistics --------------------------------------------------


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("dim", [None, 0, 1])
def test_mean_and_variance_are_scipys(period, dim):
    angles = sample((30, 7), period)
    mean = stats.circmean(angles.numpy(), high=period, axis=dim)
    # 0 and period are one direction
    off = angular_difference(circular_mean(angles, period, dim), torch.as_tensor(mean), period)
    assert off.abs().max() < 1e-12 * period
    variance = stats.circvar(angles.numpy(), high=period, axis=dim)
    torch.testing.assert_close(circular_variance(angles, period, dim), torch.as_tensor(variance), rtol=0, atol=1e-13)
    assert variance.min() > 0.05, "the sample must be spread for the comparison to mean something"


@pytest.mark.parametrize("centre", [0, 45, 90, 135, 179, 180, 225, 270, 315, 359])
def test_mean_of_a_symmetric_pair_is_its_centre_in_every_quadrant(centre):
    mean = circular_mean([centre - 10, centre + 10], DEGREES)
    assert angular_difference(mean, float(centre), DEGREES).abs() < 1e-12
    assert 0 <= mean < 360


def test_mean_lies_in_the_half_open_period():
    for angles in ([-1e-17], [0.0], [360.0], [-360.0, 720.0], [359.9999999999999999]):
        assert 0 <= circular_mean(angles, DEGREES) < 360, angles


def test_turning_all_angles_turns_the_mean_and_leaves_the_variance():
    angles = sample(period=DEGREES)
    for turn in (17.0, 123.0, 360.0, -720.0):
        moved = circular_mean(angles + turn, DEGREES) - circular_mean(angles, DEGREES)
        assert angular_difference(moved, turn, DEGREES).abs() < 1e-10
        torch.testing.assert_close(circular_variance(angles + turn, DEGREES), circular_variance(angles, DEGREES))


def test_the_unit_does_not_change_the_direction():
    angles = sample(period=DEGREES)
    radians = circular_mean(torch.deg2rad(angles))
    torch.testing.assert_close(torch.rad2deg(radians), circular_mean(angles, DEGREES))


def test_variance_is_0_for_one_direction_and_1_where_the_vectors_cancel():
    assert circular_variance([10.0, 370.0, -350.0], DEGREES) < 1e-15
    assert circular_variance([0.0, 180.0], DEGREES) == pytest.approx(1, abs=1e-15)
    assert circular_variance([0.0, 2.0], DEGREES) == pytest.approx(1 - math.cos(math.radians(1)), abs=1e-15)


def test_axial_data_have_a_period_of_half_a_turn():
    assert circular_variance([20.0, 200.0], period=180) < 1e-15
    assert circular_mean([20.0, 200.0], period=180) == pytest.approx(20)


def test_undefined_mean_empty_and_broken_input_are_said():
    for angles in ([0.0, 180.0], [0.0, 120.0, 240.0], torch.tensor([0.0, 90.0, 180.0, 270.0]), [1.0, math.nan]):
        with pytest.raises(ValueError, match="undefined: the unit vectors cancel"):
            circular_mean(angles, DEGREES)
    with pytest.raises(ValueError, match="undefined"):
        circular_mean([[0.0, 1.0], [0.0, 180.0]], DEGREES, dim=1)
    for function in (circular_mean, circular_variance, mean_vector):
        with pytest.raises(ValueError, match="no angles"):
            function([])


def test_the_mean_vector_has_the_direction_and_the_nth_of_the_length_of_the_sum():
    angles = sample((25,))
    total = torch.polar(torch.ones(25, dtype=torch.float64), angles).sum()
    torch.testing.assert_close(torch.complex(*mean_vector(angles)) * 25, total)


# ---- differences --------------------------------------------------


def test_difference_is_the_shorter_arc_on_every_pair_of_whole_degrees():
    difference = angular_difference(GRID[:, None], GRID, DEGREES)
    expected = torch.tensor([[shorter_arc(x, y) for y in range(360)] for x in range(360)], dtype=torch.float64)
    assert torch.equal(difference.abs(), expected)
    assert torch.equal(
        torch.remainder(difference - (GRID[:, None] - GRID), 360), torch.zeros(360, 360, dtype=torch.float64)
    )
    assert torch.equal(difference, -difference.T)


def test_difference_at_the_seam():
    pairs = {
        (0, 358): 2,
        (358, 0): -2,
        (10, 350): 20,
        (170, 190): -20,
        (90, 200): -110,
        (0, 0): 0,
        (725, 0): 5,
        (0, -725): 5,
    }
    for (x, y), expected in pairs.items():
        assert angular_difference(x, y, DEGREES) == expected, (x, y)
    assert angular_difference(0, 180, DEGREES).abs() == 180
    assert angular_difference(23.5, 0.5, period=24) == -1


def test_a_tiny_difference_is_not_lost():
    assert angular_difference(1e-20, 0.0) == 1e-20


@pytest.mark.parametrize("period", PERIODS)
def test_gradients_are_those_of_finite_differences(period):
    x = sample((6,), period, seed=3).requires_grad_()
    y = sample((6,), period, seed=4).requires_grad_()
    z = sample((3, 4), period, seed=5).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: angular_difference(a, b, period), (x, y))
    for function in (circular_mean, circular_variance):
        assert torch.autograd.gradcheck(lambda a, function=function: function(a, period, dim=1), (z,))


def test_gradients_are_finite_where_angles_coincide_or_cancel():
    for angles in ([1.0, 1.0], [0.0, math.pi]):
        x = torch.tensor(angles, dtype=torch.float64, requires_grad=True)
        circular_variance(x).backward()
        assert torch.isfinite(x.grad).all(), angles


def test_numbers_sequences_arrays_and_tensors():
    assert circular_mean(3).dtype == torch.float64 and circular_mean(3).shape == ()
    assert (
        circular_mean((350, 370), DEGREES) == pytest.approx(0, abs=1e-12)
        or circular_mean((350, 370), DEGREES) > 359.999
    )
    assert circular_variance(np.array([[0, 90], [0, 180]]), DEGREES, dim=1).shape == (2,)
    assert circular_variance(torch.tensor([0, 90]), DEGREES) == pytest.approx(1 - math.sqrt(0.5))
