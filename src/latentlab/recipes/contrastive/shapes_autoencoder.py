"""An autoencoder on coloured shapes, codes by reconstruction alone: the recipe of the digits' with other settings."""

import torch
from torch import Tensor

from latentlab.data import Dataset
from latentlab.models import Autoencoder
from latentlab.recipes.autoencoder.sweep import Settings, build, error_on, pictures, run
from latentlab.training import Budget

__all__ = ["PRESETS", "Settings", "build", "codes", "pictures", "run", "scores"]
_quick = Budget(epochs=8, batch=100, learning_rate=2e-3, weight_decay=0.0, precision="float32")
_long = Budget(epochs=200, batch=200, learning_rate=2e-3, weight_decay=0.0)
_SMALL = Settings(data="coloured_shapes", side=32, dim=32, width=16, budget=_quick)
_LARGE = Settings(data="coloured_shapes", side=64, dim=64, width=32, budget=_long)
PRESETS = {"quick": _SMALL, "cpu": _LARGE, "gpu": _LARGE}


@torch.no_grad()
def codes(network: Autoencoder, settings: Settings, data: Dataset) -> Tensor:
    """Codes z (n, dim) of whole images, on the CPU."""
    device = next(network.parameters()).device
    return torch.cat([network.encoder(pictures(p, settings.side).to(device)).cpu() for p in data.images.split(500)])


def scores(network: Autoencoder, settings: Settings, train: Dataset, test: Dataset) -> dict[str, float]:
    """The mean squared error per pixel on the training and the test images."""
    found = {"train": pictures(train.images, settings.side), "test": pictures(test.images, settings.side)}
    return {f"squared error, {name}": error_on(network.cpu(), x) for name, x in found.items()}
