"""A coupling flow on grey digits: dequantised, sent to the whole line by a logit, trained by the exact likelihood."""

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from latentlab.data import Dataset
from latentlab.losses import bits_per_dimension
from latentlab.models.flows import Flow, couplings, pixel_couplings
from latentlab.recipes.contract import Run, fitted, seeded
from latentlab.training import Budget
from latentlab.training.loop import generator_for

LEVELS = 256


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run but the seed."""

    data: str = "digits"
    side: int = 14  # pixels; images are averaged down to it
    layers: int = 6
    hidden: int = 128
    width: int = 0  # channels of convolutional couplings, `layers` at each of three scales; 0: fully connected ones
    edge: float = 0.05  # Real NVP's α: pixels are squeezed into [α/2, 1 − α/2] before the logit
    budget: Budget = Budget(
        epochs=40, batch=128, learning_rate=2e-3, weight_decay=1e-4, precision="float32", clip=50.0, test_every=40
    )


_long = replace(Settings.budget, epochs=None, minutes=30.0, batch=64, learning_rate=5e-3, test_every=2)
_MNIST = Settings(data="mnist", side=28, layers=4, width=32, budget=_long)
PRESETS = {"quick": Settings(), "cpu": _MNIST, "gpu": _MNIST}


def to_line(images: Tensor, settings: Settings, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """uint8 images (n, 1, h, w) → points on the whole line (n, side²), and log |det| of the way there (n,).

    Uniform noise of one level makes the levels a density (Uria et al. 2013): its likelihood bounds the discrete one.
    """
    x = F.adaptive_avg_pool2d(images.float(), settings.side).round().flatten(1)  # (n, d), whole numbers
    x = (x + torch.rand(x.shape, generator=generator, device=x.device)) / LEVELS  # (0, 1)
    p = settings.edge / 2 + (1 - settings.edge) * x
    y = torch.logit(p, eps=1e-7)
    # log |dy/dx| = log(1 − α) − log p − log(1 − p), and 1/256 for each level
    return y, (torch.log(torch.tensor((1 - settings.edge) / LEVELS)) - p.log() - (1 - p).log()).sum(1)


def from_line(y: Tensor, settings: Settings) -> Tensor:
    """Points (n, side²) → images (n, 1, side, side) in [0, 1]."""
    x = (y.sigmoid() - settings.edge / 2) / (1 - settings.edge)
    return x.clamp(0, 1).view(len(y), 1, settings.side, settings.side)


class FlowTask:
    """Grey images against the flow's exact likelihood."""

    def __init__(self, network: Flow, train: Tensor, test: Tensor, settings: Settings):
        self.module, self.samples, self.settings = network, len(train), settings
        self.train, self.test = train, test  # uint8

    def terms(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        y, slope = to_line(self.train[indices], self.settings, generator)
        # L = −(1/b) Σ [ log p(y) + log |dy/dx| ]
        return {"loss": -(self.module.log_prob(y) + slope).mean()}

    def test_terms(self, generator: torch.Generator) -> dict[str, Tensor]:
        return {"loss": torch.tensor(nats(self.module, self.test, self.settings, generator))}


@torch.no_grad()
def nats(network: Flow, images: Tensor, settings: Settings, generator: torch.Generator) -> float:
    """Mean negative log-likelihood of uint8 images, in nats for the 256-level image."""
    total = 0.0
    for part in images.split(1000):
        y, slope = to_line(part, settings, generator)
        total -= float((network.log_prob(y) + slope).sum())
    return total / len(images)


def build(settings: Settings, shape: tuple[int, int, int], seed: int) -> Flow:
    """A flow with fresh weights from the seed. Raises ValueError for images with several channels."""
    if shape[0] != 1:
        raise ValueError(f"This flow is for grey images; these have {shape[0]} channels.")
    with seeded(seed):
        if settings.width:
            return pixel_couplings(settings.side, settings.layers, settings.width)
        return couplings(settings.side**2, settings.layers, settings.hidden, side=settings.side)


def run(settings: Settings, *, train: Dataset, test: Dataset, seed: int = 0, device: str = "cpu", **how: Any) -> Run:
    """Train the flow; how: folder, resume, show of `training.fit`."""
    network = build(settings, train.images.shape[1:], seed)
    if settings.width:
        network.layers[-1].start_at(to_line(train.images[:10_000], settings, generator_for(seed, 16))[0])
    task = FlowTask(network, train.images.to(device), test.images.to(device), settings)
    return fitted(task, settings, seed=seed, device=device, title="coupling flow", **how)


def scores(network: Flow, settings: Settings, train: Dataset, test: Dataset) -> dict[str, float]:
    """Bits per dimension (256 levels) on the test images and as many training images."""
    sets = {"training": train.first(min(len(train), len(test))), "test": test}
    found = {name: nats(network.cpu(), part.images, settings, generator_for(0, 14)) for name, part in sets.items()}
    return {f"bits per dimension, {name}": bits_per_dimension(value, settings.side**2) for name, value in found.items()}


@torch.no_grad()
def sample(network: Flow, settings: Settings, n: int, generator: torch.Generator) -> Tensor:
    """n images (n, 1, side, side) in [0, 1]."""
    return from_line(network.sample(n, settings.side**2, generator), settings)
