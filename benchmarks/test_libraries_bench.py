"""Flow and VAE beside libraries that others wrote, on the same weights: they agree to 1e-5."""

import math

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from latentlab.losses import elbo, importance_bound
from latentlab.models.flows import Affine, Coupling, couplings, pixel_couplings
from latentlab.models.vae import VAE
from latentlab.recipes.generative.vae import weights_of

TINY = 1e-300  # zuko bends a log-scale softly at log(slope): here far outside of what occurs


def stirred(network):
    """In float64, with weights that are not those of the start."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return network.double()


def standard_normal(d):
    return Independent(Normal(torch.zeros(d).double(), torch.ones(d).double()), 1)


def as_zuko(flow, d):
    """The same layers as zuko's transforms, from data to base."""
    from zuko.distributions import NormalizingFlow
    from zuko.transforms import (
        ComposedTransform,
        CouplingTransform,
        DependentTransform,
        MonotonicAffineTransform,
        PermutationTransform,
    )

    def undone(s, t):
        """u = (x − t) e^{−s}; zuko's log-scale is a / (1 + |a / log slope|), solved here for a."""
        a = -s / (1 - abs(s / math.log(TINY)))
        return DependentTransform(MonotonicAffineTransform(-t * (-s).exp(), a, slope=TINY), 1)

    def transform(layer):
        if isinstance(layer, Affine):
            return undone(layer.a, layer.b)
        if not isinstance(layer, Coupling):
            return PermutationTransform(layer.inverse(torch.arange(d).double()[None])[0][0].long())
        kept = layer.mask.bool()

        def moved(part):
            full = part.new_zeros(len(part), d)
            full[:, kept] = part
            s, t = layer.scale_and_shift(full)  # (n, d) each
            return undone(s[:, ~kept], t[:, ~kept])

        return CouplingTransform(moved, kept)

    return NormalizingFlow(ComposedTransform(*map(transform, reversed(flow.layers))), standard_normal(d))


@pytest.mark.parametrize("kind", ["points", "fully connected digits", "convolutional digits"])
def test_flow_equals_zuko(kind):
    flow, d = {
        "points": lambda: (couplings(2, 6, 32), 2),
        "fully connected digits": lambda: (couplings(196, 6, 64, side=14), 196),
        "convolutional digits": lambda: (pixel_couplings(28, 2, 8), 784),
    }[kind]()
    flow, generator = stirred(flow), torch.Generator().manual_seed(1)
    x = torch.randn(50, d, generator=generator).double()
    peer = as_zuko(flow, d)
    torch.testing.assert_close(flow.log_prob(x), peer.log_prob(x), rtol=1e-10, atol=1e-5)
    u = flow.inverse(x)[0]
    torch.testing.assert_close(u, peer.transform(x), rtol=0, atol=1e-5)
    torch.testing.assert_close(flow(u)[0], peer.transform.inv(u), rtol=0, atol=1e-5)


@pytest.mark.parametrize("k", [1, 5, 50])
def test_bounds_equal_nflows(k):
    """log w from nflows' three distributions; the KL in closed form from torch.distributions."""
    from nflows.distributions import ConditionalDiagonalNormal, ConditionalIndependentBernoulli, StandardNormal

    vae = stirred(VAE((1, 14, 14), dim=10, hidden=50))
    x = (torch.rand(20, 1, 14, 14, generator=torch.Generator().manual_seed(2)) > 0.5).double()  # (b, 1, h, w)
    log_w, likelihood, mean, log_variance = weights_of(vae, x, k, torch.Generator().manual_seed(3))
    noise = torch.randn(k, 20, 10, generator=torch.Generator().manual_seed(3))  # the same draws
    z = (mean + (log_variance / 2).exp() * noise).flatten(0, 1)  # (k·b, d)
    q = ConditionalDiagonalNormal([10])
    p_x = ConditionalIndependentBernoulli([196], lambda code: vae.decode(code).flatten(1))
    context = torch.cat([mean, log_variance / 2], 1).repeat(k, 1)  # (k·b, 2d)
    pixels = x.flatten(1).repeat(k, 1)  # (k·b, h·w)
    known = p_x.log_prob(pixels, z) + StandardNormal([10]).log_prob(z) - q.log_prob(z, context)
    peer = known.unflatten(0, (k, 20))  # (k, b)
    torch.testing.assert_close(log_w, peer, rtol=0, atol=1e-5)
    torch.testing.assert_close(importance_bound(log_w), peer.logsumexp(0) - math.log(k), rtol=0, atol=1e-5)
    divergence = kl_divergence(Independent(Normal(mean, (log_variance / 2).exp()), 1), standard_normal(10))
    ours = elbo(likelihood, mean, log_variance)  # (b,)
    torch.testing.assert_close(
        ours, p_x.log_prob(pixels, z).unflatten(0, (k, 20)).mean(0) - divergence, rtol=0, atol=1e-5
    )
