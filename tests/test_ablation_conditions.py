"""Conditions of notebook 02's claims come out either way: made-up worlds in which each holds, fails, or is hidden."""

import pytest
import torch

from latentlab.evaluation import Unresolved
from latentlab.losses import VICRegWeights
from latentlab.recipes.vicreg import ablations, conditions, latent
from latentlab.recipes.vicreg.conditions import lost_number

LOW, HIGH, NOISY = [10.0, 12.0, 11.0], [80.0, 83.0, 81.0], [5.0, 60.0, 110.0]


def letter(condition):
    return "?" if isinstance(condition, Unresolved) else "ft"[condition]


@pytest.mark.parametrize(
    ("condition", "holds", "fails", "hidden"),
    [
        # V-Q4.6, V-Q5.4, V-Q6.5, V-Q6.8, V-Q7.1, V-Q7.5
        (conditions.much_worse, (LOW, HIGH), (HIGH, HIGH), (NOISY, HIGH)),
        # V-Q6.7, V-Q6.8
        (conditions.no_better, (HIGH, HIGH), (HIGH, LOW), (NOISY, HIGH)),
        (conditions.some, (HIGH,), ([1.0, 2.0, 1.5],), (NOISY,)),
        # V-Q6.2, V-Q6.6
        (conditions.better, (HIGH, LOW), (LOW, LOW), (HIGH, NOISY)),
        # V-Q4.4, V-Q4.5, V-Q4.6, V-Q5.5
        (conditions.half, (LOW, HIGH), (HIGH, HIGH), (NOISY, HIGH)),
        # V-Q4.2, V-Q4.3
        (conditions.collapsed, ([0.01, 0.012, 0.011], [0.4, 0.5, 0.45]), ([0.3, 0.31, 0.32], [0.4, 0.5, 0.45]), (NOISY, NOISY)),
        # V-Q6.2
        (conditions.won_back, ([70, 71, 72], LOW, HIGH), ([20, 22, 21], LOW, HIGH), (NOISY, LOW, HIGH)),
        # V-Q6.9, V-Q7.2, V-Q7.3
        (conditions.grouped, (HIGH,), (LOW,), (NOISY,)),
        (conditions.reads, (HIGH,), (LOW,), (NOISY,)),
        (conditions.closer, ([0.8, 0.82, 0.81],), ([0.99, 1.0, 0.98],), ([0.6, 0.95, 1.1],)),
        # V-Q7.3, V-Q7.4
        (conditions.mixed, (LOW,), (HIGH,), (NOISY,)),
        (conditions.untold, ([0.1, 0.05, 0.0],), ([0.9, 0.91, 0.92],), ([0.1, 0.5, 0.8],)),
        (conditions.told, ([0.9, 0.91, 0.92],), ([0.1, 0.05, 0.0],), ([0.1, 0.5, 0.8],)),
    ],
)
def test_a_condition_can_hold_fail_and_be_hidden(condition, holds, fails, hidden):
    assert [letter(condition(*world)) for world in (holds, fails, hidden)] == ["t", "f", "?"]


def test_counts_are_drastic_or_not():
    assert conditions.drastic(101, 10) is True and conditions.drastic(99, 10) is False


def test_a_lost_number_is_judged_only_in_the_authors_set_up():
    ours = [70.0, 71.0, 72.0]
    assert lost_number(71.5, ours) is True and lost_number(17.58, ours) is False
    other = lost_number(17.58, ours, "another encoder")
    assert isinstance(other, Unresolved) and "another encoder" in str(other)
    with pytest.raises(TypeError):
        bool(other)


def test_the_pull_says_who_wants_a_coordinate_wider():
    """A narrow coordinate is widened by the variance term alone; the other terms narrow what differs or is repeated."""
    g = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(256, 6, generator=g, dtype=torch.float64))[0]
    basis = torch.linalg.qr(basis - basis.mean(0))[0] * 255**0.5  # uncorrelated columns of spread 1
    z1, z2 = 0.5 * basis[:, [0, 1, 2, 2]], 0.5 * basis[:, [0, 3, 2, 2]]  # agreed on, differing, one column twice
    rest = ablations.scale_pull(z1, z2, VICRegWeights(variance=0.0))
    assert abs(rest[0]) < 1e-9 and (rest[1:] > 0.01).all()
    assert (ablations.scale_pull(z1, z2, VICRegWeights(invariance=0.0, covariance=0.0)) < -0.01).all()
    assert (ablations.scale_pull(4 * z1, 4 * z2, VICRegWeights()) >= 0).all()


def test_whitened_directions_have_one_spread_and_may_be_few():
    y = torch.randn(200, 6, generator=torch.Generator().manual_seed(1)) * torch.tensor([9.0, 4, 2, 1, 0.5, 1e-9])
    for directions, kept in ((None, 5), (2, 2)):
        white = (y - y.mean(0)) @ ablations.whitener(y, directions)
        assert white.shape == (200, kept)
        assert torch.allclose(white.T @ white / 200, torch.eye(kept), atol=1e-4)


def test_a_linear_layer_tells_what_is_in_the_codes_and_nothing_else():
    g = torch.Generator().manual_seed(2)
    y, noise = torch.randn(300, 5, generator=g), torch.randn(300, 2, generator=g)
    inside = y @ torch.randn(5, 2, generator=g)
    for values, low, high in ((inside, 0.99, 1.0), (inside + 2 * noise, 0.2, 0.8), (noise, -0.3, 0.1)):
        assert low <= ablations.linearly_told(y[:200], values[:200], y[200:], values[200:]) <= high


def test_codes_that_know_their_picture_are_named_by_its_views_and_others_are_not():
    from latentlab.data import load

    images = ablations.at_size(load("shapes10", "train", n=40), 20).images
    decoder = latent.Decoder(8, 3, 20, 8)
    lost = latent.Codes(torch.randn(40, 8), torch.randn(40, 1, 8), None, decoder)
    views = latent.PRESETS["quick"].views
    assert latent.named_by_views(lost, images, views, torch.Generator().manual_seed(0)) < 0.2
    decoder.forward = lambda z: images[z[:, 0].long()].float() / 255  # a decoder that knows every picture by its number
    known = latent.Codes(torch.arange(40.0)[:, None], torch.zeros(40, 1, 1), None, decoder)
    assert latent.named_by_views(known, images, views, torch.Generator().manual_seed(0)) > 0.9
