"""Autoencoders of many sizes: the only place that knows their data, network, loss and loop together."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from latentlab.data import Dataset, to_float
from latentlab.evaluation import pca_errors
from latentlab.losses import reconstruction_error
from latentlab.models import Autoencoder
from latentlab.recipes.contract import Run, fitted, seeded
from latentlab.recipes.represent import represent
from latentlab.training import Budget
from latentlab.training.many import in_parallel


@dataclass(frozen=True)
class Settings:
    """Everything that decides one network but its seed; then what a sweep varies."""

    data: str = "digits"
    side: int | None = None  # pixels that images are averaged down to; None: as they are
    dim: int = 15  # numbers in the code
    depth: int = 3  # convolutions in the encoder
    width: int = 8  # channels of the first
    activation: str = "relu"
    wide: bool = False  # allow more numbers in the code than pixels in the image
    budget: Budget = Budget(epochs=8, batch=32, learning_rate=8e-3, weight_decay=0.0, precision="float32", test_every=4)
    dims: tuple[int, ...] = (3, 5, 15, 50)
    wide_dims: tuple[int, ...] = ()  # more than the pixels
    depths: tuple[int, ...] = (3,)
    activations: tuple[str, ...] = ("relu",)
    seeds: tuple[int, ...] = (0, 1, 2, 3)
    pairs: int = 60  # pairs of digits whose paths are measured


_MNIST = Settings(
    data="mnist", budget=Budget(epochs=4, batch=128, learning_rate=4e-3, weight_decay=0.0, precision="float32"),
    dims=(2, 3, *range(5, 16), 40, *range(50, 56), 90, *range(100, 105)), wide_dims=(1000,), depths=(1, 2, 3, 4),
    activations=("relu", "tanh"), seeds=(0, 1, 2), pairs=400,
)  # fmt: skip
# embedded digits, half a minute on two cores; MNIST on two cores; MNIST on a GPU (the same networks)
PRESETS = {"quick": Settings(), "cpu": _MNIST, "gpu": _MNIST}


def by_size(settings: Settings) -> dict[str, Settings]:
    """The networks of a sweep over the size of the code, by that size."""
    inside = {str(d): replace(settings, dim=d) for d in settings.dims}
    return inside | {str(d): replace(settings, dim=d, wide=True) for d in settings.wide_dims}


def by_depth(settings: Settings) -> dict[str, Settings]:
    """The networks of a sweep over depth, named "relu, 2", with one size of code."""
    return {
        f"{a}, {n}": replace(settings, depth=n, activation=a) for a in settings.activations for n in settings.depths
    }


def pictures(images: Tensor, side: int | None = None) -> Tensor:
    """uint8 images (n, c, h, w) as the network sees them: (n, c, side, side) in [0, 1]; float ones stay as they are."""
    return images if images.is_floating_point() else to_float(images, side)


class ReconstructionTask:
    """The images of a batch against their reconstructions."""

    def __init__(self, network: Autoencoder, train: Tensor, test: Tensor):
        self.module, self.samples, self.train, self.test = network, len(train), train, test  # (n, c, h, w) in [0, 1]

    def terms(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        x = self.train[indices.to(self.train.device)]  # (b, c, h, w)
        return {"loss": reconstruction_error(self.module(x), x)}

    def test_terms(self, generator: torch.Generator) -> dict[str, Tensor]:
        return {"loss": torch.tensor(error_on(self.module, self.test))}


def build(settings: Settings, shape: tuple[int, int, int], seed: int) -> Autoencoder:
    """A network with fresh weights from the seed for images (c, h, w); the global generator stays as it was.

    Raises ValueError for images that are not square and not averaged, and as `Autoencoder`.
    """
    channels, height, side = shape
    if height != side and settings.side is None:
        raise ValueError(f"The autoencoder needs square images, not {height}×{side}. Crop or scale them first.")
    form = {"depth": settings.depth, "width": settings.width, "activation": settings.activation, "wide": settings.wide}
    with seeded(seed):
        return Autoencoder(settings.dim, channels=channels, size=settings.side or side, **form)


def run(settings: Settings, *, train: Dataset, test: Dataset, seed: int = 0, device: str = "cpu", **how: Any) -> Run:
    """Train one; how: folder, resume, show of `training.fit`. Networks of one seed see the same images in one order."""
    network = build(settings, train.images.shape[1:], seed)
    task = ReconstructionTask(network, *(pictures(part.images, settings.side).to(device) for part in (train, test)))
    done = fitted(task, settings, seed=seed, device=device, title=f"autoencoder, d = {settings.dim}", **how)
    network.to("cpu")
    return done


def run_all(
    variants: Mapping[str, Settings], seeds: Sequence[int], *, train: Dataset, test: Dataset, device: str = "cpu"
) -> dict[str, list[Run]]:
    """Train every variant with every seed, several at a time: {name: one run per seed}; equal variants only once."""
    # the costliest first, so that no core waits for the last one
    wanted = [(v, s) for v in sorted(dict.fromkeys(variants.values()), key=lambda v: -v.dim) for s in seeds]
    one = partial(run, train=train, test=test, device=str(device), show=False)
    jobs = [(partial(one, settings, seed=seed),) for settings, seed in wanted]
    found = in_parallel(operator.call, jobs, title=f"{len(jobs)} autoencoders", device=device)
    runs = dict(zip(wanted, found, strict=True))
    return {name: [runs[v, s] for s in seeds] for name, v in variants.items()}


def scores(network: Autoencoder, settings: Settings, train: Dataset, test: Dataset) -> dict[str, float]:
    """Error per pixel on the test set, beside the best linear code of as many numbers and the mean image."""
    known, new = (pictures(part.images, settings.side) for part in (train, test))
    d = min(settings.dim, known[0].numel())
    pca = pca_errors(known, new, (0, d))
    return {"test error per pixel": error_on(network.cpu(), new), "PCA": pca[d], "mean image": pca[0]}


def codes(network: Autoencoder, images: Tensor) -> Tensor:
    """Codes z of uint8 images (n, c, h, w) → float32 (n, dim)."""
    return represent(network.encoder, images, precision="float32")


@torch.no_grad()
def reconstruct(network: Autoencoder, images: Tensor) -> Tensor:
    """Reconstructions of uint8 images, or of float images in [0, 1], (n, c, h, w) → float32 in [0, 1], same shape."""
    return torch.cat([network(pictures(part)) for part in images.split(1000)])


def error_on(network: Autoencoder, images: Tensor) -> float:
    """Mean squared error per pixel of images (n, c, h, w), uint8 or in [0, 1]."""
    return float(reconstruction_error(reconstruct(network, images), pictures(images)))
