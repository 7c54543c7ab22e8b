"""Measures of codes, paths, reconstructions and learning curves, each against a case whose answer is known."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.decomposition import PCA

from latentlab import plots
from latentlab.evaluation import correlation_matrix, measure_correlation, pca_errors
from latentlab.evaluation.correlation import structure_error
from latentlab.evaluation.interpolation import (
    cross_fade,
    linear_path,
    progress,
    sharpness,
    smoothness,
    transition_width,
)
from latentlab.evaluation.learning import fluctuation, running_mean, steps_to, steps_to_own_floor
from latentlab.evaluation.reconstruction import explained_components, principal_axes


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


# ---- correlation ----


def test_correlation_matrix_is_pearsons():
    y = torch.randn(300, 6, generator=rng()) @ torch.randn(6, 6, generator=rng(1)) + 100
    np.testing.assert_allclose(correlation_matrix(y), np.corrcoef(y.double().numpy().T), atol=1e-6)
    assert correlation_matrix(y)[0, 1] == pytest.approx(stats.pearsonr(y[:, 0], y[:, 1])[0], abs=1e-6)
    np.testing.assert_allclose(correlation_matrix(y * torch.arange(1.0, 7) - 5), correlation_matrix(y), atol=1e-5)


def test_independent_codes_sit_at_one_end_and_copies_at_the_other():
    n, d = 20000, 8
    free = measure_correlation(torch.randn(n, d, generator=rng()))
    assert free.norm == pytest.approx(np.sqrt(d), rel=0.01) and free.log_determinant > -0.01
    assert free.mean_absolute == pytest.approx(np.sqrt(2 / (np.pi * n)), rel=0.35)
    one = torch.randn(n, 1, generator=rng())
    tied = measure_correlation(one.expand(n, d) + 1e-4 * torch.randn(n, d, generator=rng(1)))
    assert tied.norm == pytest.approx(d, rel=1e-4)
    assert tied.log_determinant < -20 and tied.mean_absolute > 0.999


@pytest.mark.parametrize("r", [0.1, 0.5])
@pytest.mark.parametrize("d", [2, 5])
def test_equal_correlations_give_the_known_determinant_and_norm(d, r):
    root = np.linalg.cholesky(np.full((d, d), r) + (1 - r) * np.eye(d))
    y = torch.randn(200_000, d, generator=rng()).double() @ torch.as_tensor(root.T)
    seen = measure_correlation(y)
    assert np.exp(seen.log_determinant) == pytest.approx((1 - r) ** (d - 1) * (1 + (d - 1) * r), rel=0.03)
    assert seen.norm**2 == pytest.approx(d + d * (d - 1) * seen.mean_square, rel=1e-9)
    assert seen.mean_absolute == pytest.approx(r, abs=0.01)


def test_too_few_samples_have_no_determinant():
    seen = measure_correlation(torch.randn(20, 30, generator=rng()))
    assert seen.log_determinant == -np.inf


def test_correlation_refuses_what_has_none():
    with pytest.raises(ValueError, match="1 of 3 coordinates never vary"):
        correlation_matrix(torch.tensor([[1.0, 2, 5], [2, 1, 5], [0, 3, 5]]))
    with pytest.raises(ValueError, match="at least two samples"):
        correlation_matrix(torch.rand(1, 3))
    with pytest.raises(ValueError, match="NaN"):
        measure_correlation(torch.full((4, 2), float("nan")))


def test_structure_error_is_zero_for_copies_and_one_for_shuffled_pixels():
    x = (torch.randn(4000, 3, generator=rng()) @ torch.randn(3, 12, generator=rng(1))).double()
    assert structure_error(2 * x + 1, x) < 1e-6
    apart = torch.stack([column[torch.randperm(4000, generator=rng(k))] for k, column in enumerate(x.T)], dim=1)
    assert structure_error(apart, x) == pytest.approx(1, abs=0.05)
    assert structure_error(torch.zeros_like(x), x) == pytest.approx(1)


# ---- paths ----


def test_paths_keep_their_ends_and_lines_are_straight():
    a, b = torch.randn(2, 5, 7, generator=rng())
    path = linear_path(a, b, 11)
    assert path.shape == (5, 11, 7)
    assert torch.equal(path[:, 0], a) and torch.equal(path[:, -1], b)
    torch.testing.assert_close(path[:, 5], (a + b) / 2)


def test_paths_refuse_bad_ends():
    a = torch.ones(2, 3)
    with pytest.raises(ValueError, match="as many starts as ends"):
        linear_path(a, torch.ones(3, 3))
    with pytest.raises(ValueError, match="at least its two ends"):
        linear_path(a, a, 1)


def test_a_cross_fade_is_its_own_yardstick():
    x, y = torch.rand(2, 4, 1, 8, 8, generator=rng())
    fade = cross_fade(x, y, 21)
    assert fade.shape == (4, 21, 1, 8, 8)
    torch.testing.assert_close(progress(fade), torch.linspace(0, 1, 21).expand(4, 21), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(transition_width(progress(fade)), torch.full((4,), 0.5), atol=1e-5, rtol=1e-5)
    jump = fade.clone()
    jump[:, :11], jump[:, 11:] = x[:, None], y[:, None]
    assert transition_width(progress(jump)).max() < 0.03


def test_a_course_that_goes_nowhere_is_refused():
    with pytest.raises(ValueError, match="does not cross 0.75"):
        transition_width(torch.tensor([[0.0, 0.3, 0.5]]))
    with pytest.raises(ValueError, match="same image"):
        progress(torch.ones(1, 3, 4))


def test_sharpness_falls_with_blur_and_smoothness_tells_noise_from_pictures():
    step = torch.zeros(1, 1, 16, 16)
    step[..., 8:] = 1
    blurred = torch.nn.functional.avg_pool2d(step, 5, stride=1, padding=2)
    assert sharpness(step).item() == pytest.approx(16 / (16 * 15) / 2)
    noise = torch.rand(50, 1, 16, 16, generator=rng())
    assert sharpness(noise).mean() > 5 * sharpness(step).item()
    assert abs(smoothness(noise).mean()) < 0.15 and smoothness(step).item() > 0.8 and smoothness(blurred).item() > 0.8


# ---- reconstruction ----


def test_pca_errors_agree_with_scikit_learn():
    mixing_matrix = torch.randn(30, 30, generator=rng())
    train, test = (torch.randn(n, 30, generator=rng(n)) @ mixing_matrix for n in (200, 80))
    errors = pca_errors(train, test, (0, 1, 7, 30), block=64)
    for d in (1, 7, 30):
        model = PCA(d, svd_solver="full").fit(train.double().numpy())
        back = model.inverse_transform(model.transform(test.double().numpy()))
        assert errors[d] == pytest.approx(((back - test.double().numpy()) ** 2).mean(), abs=1e-6)
    assert errors[0] == pytest.approx(float((test - train.mean(0)).square().mean()), rel=1e-5)
    assert errors[30] < 1e-9
    with pytest.raises(ValueError, match="sizes from 0 to 30"):
        pca_errors(train, test, (31,))


def test_explained_components_counts_the_dimensions_of_a_linear_code():
    x = torch.randn(2000, 20, generator=rng()) * torch.linspace(3, 1, 20)
    centred = x - x.mean(0)
    v = torch.linalg.svd(centred, full_matrices=False)[2]
    for d in (1, 6, 20):
        assert explained_components(x.mean(0) + centred @ v[:d].T @ v[:d], x, principal_axes(x)) == d
    assert explained_components(x.mean(0).expand_as(x), x, principal_axes(x)) == 0


# ---- learning curves ----


def test_speed_has_two_meanings_that_can_disagree():
    t = np.arange(1, 2001)
    small, large = 0.5 + 0.5 * np.exp(-t / 100), np.exp(-t / 200)
    assert steps_to(small, 0.6, 1) > steps_to(large, 0.6, 1)  # to a common level the large one is sooner …
    assert steps_to_own_floor(small, window=1) < steps_to_own_floor(large, window=1)  # … to its own floor later
    assert steps_to_own_floor(small, window=1) == pytest.approx(100 * np.log(20), abs=5)
    assert steps_to(small, 0.4) == np.inf


def test_running_mean_and_fluctuation():
    assert running_mean([1, 3, 5, 7], 2).tolist() == [1, 2, 4, 6]
    noise = 0.1 * np.random.default_rng(0).standard_normal(4000)
    absolute, relative = fluctuation(2 - 1e-4 * np.arange(4000) + noise)
    assert absolute == pytest.approx(0.1, rel=0.05) and relative == pytest.approx(0.1 / 1.8, rel=0.05)
    with pytest.raises(ValueError, match="finite"):
        running_mean([1.0, float("nan")])
    with pytest.raises(ValueError, match="at least three"):
        fluctuation([1.0, 2.0])


# ---- figures ----


def test_strips_and_matrices_say_what_they_show():
    frames = torch.rand(21, 1, 8, 8)
    fig = plots.strips({"d = 5": frames, "d = 10": frames}, columns=5)
    assert "2 rows of 5 pictures" in fig.alt and "d = 10" in fig.alt and "0%, 25%, 50%, 75%, 100%" in fig.alt
    rising = torch.linspace(0, 1, 21)[:, None, None, None].expand(21, 1, 8, 8)
    drawn = [image.get_array()[0, 0, 0] for image in plots.strips({"rising": rising}, columns=3).axes[0].images]
    assert drawn == [0, 128, 255]
    fig = plots.matrices({"five": np.eye(5), "tied": np.ones((3, 3))})
    assert "five: 5 × 5, mean size off the diagonal ≈ 0.00" in fig.alt
    assert "tied: 3 × 3, mean size off the diagonal ≈ 1.00" in fig.alt
    with pytest.raises(ValueError, match="at least as many frames"):
        plots.strips({"short": frames[:3]}, columns=9)
    with pytest.raises(ValueError, match="square matrix"):
        plots.matrices({"flat": np.ones((2, 3))})


def test_the_slider_moves_the_picture():
    box = plots.slider({"a": torch.zeros(5, 1, 8, 8), "b": torch.rand(5, 1, 8, 8)})
    which, place, picture = box.children
    first = picture.value
    which.value = "b"
    second = picture.value
    place.value = 3
    assert len({first, second, picture.value}) == 3 and place.max == 4
    with pytest.raises(ValueError, match="one length"):
        plots.slider({"a": torch.zeros(5, 1, 8, 8), "b": torch.zeros(4, 1, 8, 8)})
