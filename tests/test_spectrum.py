"""Spectrum and effective rank of a representation."""

import numpy as np
import pytest
import torch

from latentlab.evaluation import effective_rank, spectrum


def test_spectrum_is_the_eigenvalues_of_the_covariance():
    y = np.random.default_rng(0).normal(size=(200, 6)) @ np.diag([5, 3, 1, 0.5, 0.1, 0.0])
    expected = np.linalg.eigvalsh(np.cov(y.T))[::-1]
    np.testing.assert_allclose(spectrum(y).numpy(), expected, atol=1e-5)


def test_effective_rank_counts_directions_and_ignores_scale_and_rotation():
    generator = torch.Generator().manual_seed(0)
    y = torch.linalg.qr(torch.randn(500, 8, generator=generator))[0]
    y = torch.linalg.qr(y - y.mean(0))[0]  # eight orthogonal, centred columns: equal variances
    assert effective_rank(y) == pytest.approx(8, abs=1e-4)
    assert effective_rank(1000 * y) == pytest.approx(8, abs=1e-4)
    unequal = np.exp(-0.8 * np.log(0.8) - 0.2 * np.log(0.2))  # variances of 4 : 1
    assert effective_rank(y[:, :2] * torch.tensor([2.0, 1.0])) == pytest.approx(unequal, abs=1e-4)
    turn = torch.linalg.qr(torch.randn(8, 8, generator=generator))[0]
    assert effective_rank(y @ turn) == pytest.approx(8, abs=1e-3)
    assert effective_rank(y[:, :3] @ torch.randn(3, 20, generator=generator)) <= 3
    assert effective_rank(torch.cat([y, 0 * y], dim=1)) == pytest.approx(8, abs=1e-4)


def test_effective_rank_of_what_never_varies_and_of_bad_input():
    assert effective_rank(torch.ones(10, 3)) == 0
    with pytest.raises(ValueError, match="two rows"):
        effective_rank(torch.ones(1, 3))
    with pytest.raises(ValueError, match="NaN"):
        effective_rank(torch.tensor([[1.0, float("nan")], [0.0, 1.0]]))
