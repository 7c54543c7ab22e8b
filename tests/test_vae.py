"""VAE and IWAE: densities against torch's, both routes to the ELBO, bounds in order, a linear model of known truth."""

import math
from dataclasses import replace

import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from latentlab.data import binarise, load
from latentlab.losses import elbo, gaussian_kl, gaussian_log_density, importance_bound, log_weights, reparametrise
from latentlab.models.vae import VAE
from latentlab.recipes.generative import iwae, vae
from latentlab.training import Budget

G = torch.Generator().manual_seed(0)
MEAN, LOGVAR, NOISE = torch.randn(3, 6, 4, generator=G).double()
TINY = vae.Settings(dim=3, hidden=20, budget=Budget(epochs=3, batch=32, learning_rate=5e-3, precision="float32"))


def test_densities_and_kl_are_torchs():
    q = Independent(Normal(MEAN, (0.5 * LOGVAR).exp()), 1)
    prior = Independent(Normal(torch.zeros_like(MEAN), torch.ones_like(MEAN)), 1)
    z = reparametrise(MEAN, LOGVAR, NOISE)
    assert torch.allclose(gaussian_log_density(z, MEAN, LOGVAR), q.log_prob(z))
    assert torch.allclose(gaussian_kl(MEAN, LOGVAR), kl_divergence(q, prior))
    assert torch.allclose(log_weights(torch.zeros(1, 6), z[None], MEAN, LOGVAR)[0], prior.log_prob(z) - q.log_prob(z))


def linear_model(k):
    """x = W z + noise with its exact log p(x), and log-weights under a q that is too wide; (k, b), (b,)."""
    g = torch.Generator().manual_seed(1)
    w, x = torch.randn(3, 2, generator=g).double(), torch.randn(5, 3, generator=g).double()
    truth = MultivariateNormal(torch.zeros(3).double(), w @ w.T + torch.eye(3).double()).log_prob(x)
    cov = torch.linalg.inv(torch.eye(2).double() + w.T @ w)
    mean, logvar = x @ w @ cov, (1.5 * cov.diagonal()).log().expand(5, 2)
    z = reparametrise(mean, logvar, torch.randn(k, 5, 2, generator=g).double())
    likelihood = Normal(z @ w.T, 1.0).log_prob(x).sum(-1)
    return log_weights(likelihood, z, mean, logvar), truth, likelihood, mean, logvar


def test_both_routes_to_the_elbo_agree_and_the_bounds_close_in_on_the_truth():
    log_w, truth, likelihood, mean, logvar = linear_model(100_000)
    assert torch.allclose(log_w.mean(0), elbo(likelihood, mean, logvar), atol=0.02)
    bound = {k: importance_bound(log_w.unflatten(0, (k, -1))).mean(0) for k in (1, 5, 50)}
    assert (bound[1] < bound[5]).all() and (bound[5] < bound[50]).all() and (bound[50] < truth + 0.01).all()
    assert (truth - bound[50]).max() < 0.05 < (truth - bound[1]).min()


def test_the_bound_needs_a_sample_and_never_overflows():
    with pytest.raises(ValueError, match="k ≥ 1"):
        importance_bound(torch.zeros(0, 3))
    with pytest.raises(ValueError, match="at least one"):
        vae.weights_of(VAE((1, 4, 4)), torch.zeros(2, 1, 4, 4), 0, G)
    assert importance_bound(torch.full((4, 2), -5000.0)).tolist() == pytest.approx([-5000.0] * 2)
    assert importance_bound(torch.tensor([[0.0], [math.log(3)]])).item() == pytest.approx(math.log(2))


def test_shapes_and_refusals():
    net = VAE((1, 6, 6), dim=3, hidden=8)
    assert net.decode(torch.zeros(4, 5, 3)).shape == (4, 5, 1, 6, 6) and net.encoder(torch.zeros(2, 1, 6, 6)).shape == (
        2,
        3,
    )
    with pytest.raises(ValueError, match="built for images"):
        net.encode(torch.zeros(2, 1, 5, 5))
    with pytest.raises(ValueError, match="dim ≥ 1"):
        VAE((1, 6, 6), dim=0)


def test_the_decoder_starts_at_the_mean_and_the_encoder_is_the_mean_within_limits():
    net, pixels = VAE((1, 2, 2), dim=3, hidden=8), torch.tensor([[[0.2, 0.7], [0.5, 0.9]]])
    net.start_at(pixels)
    net.decoder[-1].weight.data.zero_()
    assert torch.allclose(net.decode(torch.randn(5, 3)).sigmoid(), pixels.expand(5, 1, 2, 2))
    net.log_variance.bias.data.copy_(torch.tensor([99.0, -99.0, 0.0]))
    mean, log_variance = net.encode(torch.rand(4, 1, 2, 2))
    assert torch.equal(net.encoder(torch.ones(1, 1, 2, 2)), net.mean(net.body(torch.ones(1, 1, 2, 2))))
    assert log_variance[0, :2].tolist() == [10.0, -10.0] and mean.shape == (4, 3)


@pytest.mark.parametrize("k", [1, 3])
def test_training_raises_the_bound_and_the_same_seed_gives_the_same_numbers(k):
    train, test = load("digits").first(200), load("digits", "test").first(40)
    settings = replace(TINY, k=k)
    first, again = (vae.run(settings, train=train, test=test, show=False) for _ in range(2))
    assert first.history.batches == again.history.batches
    fresh = vae.scores(vae.build(settings, (1, 28, 28), 0), settings, train, test)
    found = vae.scores(first.network, settings, train, test)
    assert list(found.values()) == sorted(found.values(), reverse=True)  # −L_k falls with k
    assert found["−L_1, nats"] < 0.7 * fresh["−L_1, nats"]
    assert vae.sample(first.network, settings, 2, torch.Generator().manual_seed(0)).shape == (2, 1, 28, 28)


def test_iwae_is_the_same_recipe_with_more_samples():
    assert {name: settings.k for name, settings in iwae.PRESETS.items()} == {"quick": 5, "cpu": 50, "gpu": 50}
    assert iwae.run is vae.run


def small_net():
    torch.manual_seed(0)
    return VAE((1, 4, 4), dim=3, hidden=8)


def test_every_sample_has_its_own_noise_and_repeats_only_average():
    net, x = small_net(), (torch.rand(30, 1, 4, 4, generator=torch.Generator().manual_seed(1)) > 0.5).float()
    log_w = vae.weights_of(net, x, 5, torch.Generator().manual_seed(2))[0]  # (5, 30)
    assert (log_w.std(0) > 0).all()
    once, often = (vae.bounds(net, x, (1, 5), torch.Generator().manual_seed(3), repeats=r) for r in (1, 8))
    assert once[5] == pytest.approx(often[5], abs=0.1) and often[1] < often[5]


def test_with_one_sample_the_loss_is_the_elbo_and_with_more_the_bound():
    net, images = small_net(), torch.randint(0, 256, (20, 1, 4, 4), dtype=torch.uint8)
    x, rows = binarise(images), torch.arange(20)
    for k in (1, 5):
        task = vae.BoundTask(net, images, x, replace(TINY, k=k))
        log_w, likelihood, mean, log_variance = vae.weights_of(net, x, k, torch.Generator().manual_seed(4))
        expected = elbo(likelihood, mean, log_variance) if k == 1 else importance_bound(log_w)
        loss = task.terms(rows, torch.Generator().manual_seed(4))["loss"]
        assert loss.item() == pytest.approx(-expected.mean().item(), rel=1e-5)


@pytest.mark.parametrize("sampled", [False, True])
def test_training_pixels_are_binary_by_the_settings(sampled):
    net, grey = small_net(), torch.full((50, 1, 4, 4), 127, dtype=torch.uint8)
    net.decoder[-1].weight.data.zero_()
    net.decoder[-1].bias.data.fill_(5.0)  # whatever z is: white, so a black pixel costs 5 nats
    task = vae.BoundTask(net, grey, binarise(grey), replace(TINY, sampled=sampled))
    missed = task.terms(torch.arange(50), torch.Generator().manual_seed(5))["reconstruction"].item()
    assert missed == pytest.approx(40 if sampled else 80, rel=0.1)  # 16 pixels, half or all of them black


def test_binary_by_threshold_or_by_chance():
    images = torch.full((400, 1, 4, 4), 77, dtype=torch.uint8)
    assert not binarise(images).any()
    share = binarise(images, sampled=True, generator=torch.Generator().manual_seed(0))
    assert set(share.unique().tolist()) == {0.0, 1.0} and abs(share.mean().item() - 77 / 255) < 0.03
    assert binarise(images, side=2).shape == (400, 1, 2, 2)
