"""What notebook 02 measures beside accuracies, on worlds with a known answer."""

import torch

from latentlab.losses import VICRegWeights
from latentlab.recipes.vicreg import ablations, latent


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
    for values, low, high in (
        (inside, 0.99, 1.0), (inside[:, :1], 0.99, 1.0), (inside + 2 * noise, 0.2, 0.8), (noise + 10, -0.3, 0.1)
    ):  # fmt: skip
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


def test_purity_is_the_share_of_three_neighbours_by_the_metric_asked_for():
    line = torch.tensor([0.0, 1.0, 2.0, 3.0, 100.0, 101.0, 102.0, 103.0])[:, None]
    assert ablations.purity(line, torch.tensor([0, 0, 0, 0, 1, 1, 1, 0])) == 75  # 12 + 6 + 0 of 24
    rays = (
        torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(4, 1)
        * torch.tensor([1.0, 1, 20, 20, 400, 400, 9000, 9000])[:, None]
    )
    direction = torch.arange(8) % 2
    assert ablations.purity(rays, direction, "cosine") == 100 > 90 > ablations.purity(rays, direction)
