"""PixelCNN on binary digits: each pixel from those before it, trained by the exact likelihood."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from latentlab.data import Dataset, binarise
from latentlab.losses import bernoulli_log_likelihood, bits_per_dimension
from latentlab.models.masked import PixelCNN, complete
from latentlab.recipes.contract import Run, fitted, seeded
from latentlab.training import Budget
from latentlab.training.loop import generator_for


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run but the seed."""

    data: str = "digits"
    side: int = 14  # pixels; images are averaged down to it
    sampled: bool = False  # binary by chance, a pixel's brightness its probability; False: by the threshold ½
    width: int = 24
    layers: int = 4
    stacks: bool = True  # False: plain masks, with the blind spot
    budget: Budget = Budget(epochs=12, batch=64, learning_rate=6e-3, weight_decay=0.0, precision="float32")


_long = Budget(epochs=None, minutes=30.0, batch=64, learning_rate=3e-3, weight_decay=0.0)
_MNIST = Settings(data="mnist", side=28, sampled=True, width=32, layers=12, budget=_long)
PRESETS = {"quick": Settings(), "cpu": _MNIST, "gpu": _MNIST}


def binary(images: Tensor, settings: Settings, seed: int = 0) -> Tensor:
    """uint8 images (n, 1, h, w) → 0 and 1, float32 (n, 1, side, side); always the same for the same seed."""
    return binarise(images, side=settings.side, sampled=settings.sampled, generator=generator_for(seed, 11))


class PixelTask:
    """Binary images against the logits that the network gives them."""

    def __init__(self, network: PixelCNN, train: Tensor, test: Tensor):
        self.module, self.samples, self.train, self.test = network, len(train), train, test

    def terms(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        x = self.train[indices]  # (b, 1, h, w)
        # L = −(1/b) Σ log p(x)
        return {"loss": -bernoulli_log_likelihood(self.module(x), x).mean()}

    def test_terms(self, generator: torch.Generator) -> dict[str, Tensor]:
        return {"loss": torch.tensor(nats(self.module, self.test))}


@torch.no_grad()
def nats(network: PixelCNN, x: Tensor) -> float:
    """Mean negative log-likelihood of binary images (n, 1, h, w), in nats per image."""
    return -float(torch.cat([bernoulli_log_likelihood(network(part), part) for part in x.split(250)]).mean())


def independent_nats(train: Tensor, test: Tensor) -> float:
    """The same for a model whose pixels know nothing of each other: each has its own frequency."""
    # p_i = (1 + Σ x_i) / (2 + n)
    p = (train.sum(0) + 1) / (len(train) + 2)  # (1, h, w)
    return -float(bernoulli_log_likelihood(torch.logit(p).expand_as(test), test).mean())


def build(settings: Settings, shape: tuple[int, int, int], seed: int) -> PixelCNN:
    """A network with fresh weights from the seed. Raises ValueError for images with several channels."""
    if shape[0] != 1:
        raise ValueError(f"PixelCNN is for grey images; these have {shape[0]} channels.")
    with seeded(seed):
        network = PixelCNN(settings.width, settings.layers, stacks=settings.stacks)
    return network.to(memory_format=torch.channels_last)  # on a CPU a quarter faster


def run(settings: Settings, *, train: Dataset, test: Dataset, seed: int = 0, device: str = "cpu", **how: Any) -> Run:
    """Train a PixelCNN on the binary images; how: folder, resume, show of `training.fit`."""
    network = build(settings, train.images.shape[1:], seed)
    sets = (binary(part.images, settings, seed=i).to(device) for i, part in enumerate((train, test)))
    return fitted(PixelTask(network, *sets), settings, seed=seed, device=device, title="PixelCNN", **how)


def scores(network: PixelCNN, settings: Settings, train: Dataset, test: Dataset) -> dict[str, float]:
    """Nats per image and bits per pixel on the test set, beside independent pixels."""
    known, new = (binary(part.images, settings, seed=i) for i, part in enumerate((train, test)))
    found = {"PixelCNN": nats(network.cpu(), new), "independent pixels": independent_nats(known, new)}
    bits = {f"{name}, bits per pixel": bits_per_dimension(value, settings.side**2) for name, value in found.items()}
    return {f"{name}, nats": value for name, value in found.items()} | bits


def sample(network: PixelCNN, settings: Settings, n: int, generator: torch.Generator) -> Tensor:
    """n images (n, 1, side, side) of 0 and 1, drawn pixel by pixel."""
    blank = torch.zeros(n, 1, settings.side, settings.side, device=generator.device)
    return complete(network, blank, blank[0, 0] > 0, generator)  # nothing is given
