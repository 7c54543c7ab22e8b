"""Variational autoencoder on binary digits; with k > 1 samples a step, the importance weighted one."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from latentlab.data import Dataset, binarise, to_float
from latentlab.losses import bernoulli_log_likelihood, elbo, gaussian_kl, importance_bound, log_weights, reparametrise
from latentlab.models.vae import VAE
from latentlab.recipes.contract import Run, fitted, seeded
from latentlab.training import Budget
from latentlab.training.loop import generator_for


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run but the seed."""

    data: str = "digits"
    sampled: bool = False  # binary by chance, drawn anew in every step; False: by the threshold ½
    dim: int = 10
    hidden: int = 200
    k: int = 1  # importance samples in training: 1 is the VAE
    budget: Budget = Budget(
        epochs=40, batch=64, learning_rate=4e-3, weight_decay=0.0, precision="float32", test_every=20
    )


_long = replace(Settings.budget, epochs=None, minutes=30.0, batch=250, learning_rate=3e-3, test_every=5)
_MNIST = Settings(data="mnist", sampled=True, dim=50, budget=_long)
PRESETS = {"quick": Settings(), "cpu": _MNIST, "gpu": _MNIST}


def weights_of(network: VAE, x: Tensor, k: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """log w (k, b) and log p(x|z) (k, b) of k samples for each binary image (b, c, h, w), with μ and log σ² (b, d).

    Raises ValueError for k < 1.
    """
    if k < 1:
        raise ValueError(f"k = {k} importance samples: the bound needs at least one.")
    mean, log_variance = network.encode(x)  # (b, d) each
    noise = torch.randn(k, *mean.shape, generator=generator, device=mean.device)  # (k, b, d)
    z = reparametrise(mean, log_variance, noise)  # (k, b, d)
    likelihood = bernoulli_log_likelihood(network.decode(z), x)  # (k, b)
    return log_weights(likelihood, z, mean, log_variance), likelihood, mean, log_variance


class BoundTask:
    """Binary images against the bound: the ELBO with its KL in closed form, or L_k."""

    def __init__(self, network: VAE, train: Tensor, test: Tensor, settings: Settings):
        self.module, self.samples, self.settings = network, len(train), settings
        self.train, self.test = train, test  # (n, 1, h, w) uint8; (m, 1, h, w) of 0 and 1

    def terms(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        x = binarise(self.train[indices], sampled=self.settings.sampled, generator=generator)  # (b, 1, h, w)
        log_w, likelihood, mean, log_variance = weights_of(self.module, x, self.settings.k, generator)
        bound = elbo(likelihood, mean, log_variance) if self.settings.k == 1 else importance_bound(log_w)  # (b,)
        divergence = gaussian_kl(mean, log_variance)  # (b,)
        return {"loss": -bound.mean(), "reconstruction": -likelihood.mean(), "KL": divergence.mean()}

    def test_terms(self, generator: torch.Generator) -> dict[str, Tensor]:
        return {"loss": -torch.tensor(bounds(self.module, self.test, (self.settings.k,), generator)[self.settings.k])}


@torch.no_grad()
def bounds(
    network: VAE, x: Tensor, ks: tuple[int, ...], generator: torch.Generator, repeats: int = 1
) -> dict[int, float]:
    """L_k in nats for several k, mean over binary images x (n, c, h, w); all k share their samples."""
    found = {k: 0.0 for k in ks}
    for _ in range(repeats):
        for part in x.split(max(1, 20_000 // max(ks))):
            log_w = weights_of(network, part, max(ks), generator)[0]  # (K, b)
            for k in ks:
                # K samples make K // k independent estimates of L_k
                groups = log_w[: len(log_w) // k * k].unflatten(0, (k, -1))  # (k, K // k, b)
                found[k] += float(importance_bound(groups).mean(0).sum()) / (len(x) * repeats)
    return found


def build(settings: Settings, shape: tuple[int, int, int], seed: int) -> VAE:
    """A network with fresh weights from the seed; the global generator stays as it was."""
    with seeded(seed):
        return VAE(shape, settings.dim, settings.hidden)


def run(settings: Settings, *, train: Dataset, test: Dataset, seed: int = 0, device: str = "cpu", **how: Any) -> Run:
    """Train on the bound; how: folder, resume, show of `training.fit`."""
    network = build(settings, train.images.shape[1:], seed)
    network.start_at(to_float(train.images).mean(0))
    task = BoundTask(network, train.images.to(device), test_images(test, settings).to(device), settings)
    title = "VAE" if settings.k == 1 else f"IWAE, k = {settings.k}"
    return fitted(task, settings, seed=seed, device=device, title=title, **how)


def test_images(test: Dataset, settings: Settings) -> Tensor:
    """The test images as 0 and 1, always the same."""
    return binarise(test.images, sampled=settings.sampled, generator=generator_for(0, 12))  # (n, 1, h, w)


def scores(network: VAE, settings: Settings, train: Dataset, test: Dataset) -> dict[str, float]:
    """Negative bounds on the test set in nats, the smaller the better."""
    found = bounds(network.cpu(), test_images(test, settings), (1, 5, 50, 500), generator_for(0, 13))
    return {f"−L_{k}, nats": -value for k, value in found.items()}


@torch.no_grad()
def sample(network: VAE, settings: Settings, n: int, generator: torch.Generator) -> Tensor:
    """Mean images of n codes from the prior; (n, c, h, w) in [0, 1]."""
    z = torch.randn(n, network.dim, generator=generator, device=generator.device)  # (n, dim)
    return network.decode(z).sigmoid()
