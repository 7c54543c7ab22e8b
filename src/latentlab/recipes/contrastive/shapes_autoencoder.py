"""An autoencoder on coloured shapes: codes by reconstruction alone."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from latentlab.data import Dataset, to_float
from latentlab.losses import reconstruction_error
from latentlab.models import Autoencoder
from latentlab.recipes.contract import Run
from latentlab.training import Budget, fit


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run but the seed."""

    data: str = "coloured_shapes"
    side: int = 32  # pixels
    dim: int = 32
    width: int = 16  # of the first convolution
    budget: Budget = field(
        default_factory=lambda: Budget(epochs=8, batch=100, learning_rate=2e-3, weight_decay=0.0, precision="float32")
    )


_LONG = Settings(side=64, dim=64, width=32, budget=Budget(epochs=200, batch=200, learning_rate=2e-3, weight_decay=0.0))
PRESETS = {"quick": Settings(), "cpu": _LONG, "gpu": _LONG}


def pictures(images: Tensor, side: int) -> Tensor:
    """Images (n, c, h, w) uint8 as the network sees them: (n, c, side, side) in [0, 1], by averaging."""
    return F.adaptive_avg_pool2d(to_float(images), side)


class ReconstructionTask:
    """Images against their reconstructions, loss (12) of the homework."""

    def __init__(self, network: Autoencoder, train: Tensor, test: Tensor):
        self.module, self.samples, self.train, self.test = network, len(train), train, test  # (n, c, side, side) in [0, 1]

    def terms(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        x = self.train[indices.to(self.train.device)]  # (b, c, side, side)
        return {"loss": reconstruction_error(self.module(x), x)}

    def test_terms(self, generator: torch.Generator) -> dict[str, Tensor]:
        return {"loss": reconstruction_error(self.module(self.test), self.test)}


def build(settings: Settings, shape: tuple[int, int, int], seed: int) -> Autoencoder:
    """A network with fresh weights from the seed; the global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Autoencoder(settings.dim, channels=shape[0], size=settings.side, width=settings.width)


def run(
    settings: Settings, *, train: Dataset, test: Dataset, seed: int = 0, device: str = "cpu",
    folder: Path | str | None = None, resume: bool = False, show: bool = True,
) -> Run:  # fmt: skip
    """Train on the reconstruction error; see `training.fit` for folder and resume."""
    network = build(settings, train.images.shape[1:], seed)
    task = ReconstructionTask(network, *(pictures(part.images, settings.side).to(device) for part in (train, test)))
    history = fit(task, settings.budget, seed=seed, device=device, folder=folder, resume=resume, show=show, title="autoencoder")
    return Run(network, history, settings, seed)


@torch.no_grad()
def codes(network: Autoencoder, settings: Settings, data: Dataset) -> Tensor:
    """Codes z (n, dim) of whole images, on the CPU."""
    device = next(network.parameters()).device
    return torch.cat([network.encode(pictures(p, settings.side).to(device)).cpu() for p in data.images.split(500)])


@torch.no_grad()
def scores(network: Autoencoder, settings: Settings, train: Dataset, test: Dataset) -> dict[str, float]:
    """The mean squared error per pixel on the training and the test images."""
    network, parts = network.cpu(), {"train": train, "test": test}
    found = {name: pictures(part.images, settings.side) for name, part in parts.items()}
    return {f"squared error, {name}": float(reconstruction_error(network(x), x)) for name, x in found.items()}
