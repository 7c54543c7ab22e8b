"""Autoencoders of many sizes: the only place that knows their data, network, loss and loop together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from latentlab.data import Dataset, to_float
from latentlab.evaluation import pca_errors
from latentlab.losses import reconstruction_error
from latentlab.models import Autoencoder
from latentlab.recipes.contract import Run
from latentlab.recipes.represent import represent
from latentlab.training import Budget, History, fit
from latentlab.training.many import in_parallel


@dataclass(frozen=True)
class Settings:
    """Everything that decides one network but its seed; then what a sweep varies."""

    data: str = "digits"
    dim: int = 15  # numbers in the code
    depth: int = 3  # convolutions in the encoder
    activation: str = "relu"
    wide: bool = False  # allow more numbers in the code than pixels in the image
    budget: Budget = field(
        default_factory=lambda: Budget(
            epochs=8, batch=32, learning_rate=8e-3, weight_decay=0.0, precision="float32", test_every=4
        )
    )
    dims: tuple[int, ...] = (3, 5, 15, 50)
    wide_dims: tuple[int, ...] = ()  # more than the pixels
    depths: tuple[int, ...] = (3,)
    activations: tuple[str, ...] = ("relu",)
    seeds: tuple[int, ...] = (0, 1, 2, 3)
    pairs: int = 60  # pairs of digits whose paths are measured


_MNIST = Settings(
    data="mnist",
    budget=Budget(epochs=4, batch=128, learning_rate=4e-3, weight_decay=0.0, precision="float32"),
    dims=(2, 3, *range(5, 16), 40, *range(50, 56), 90, *range(100, 105)),
    wide_dims=(1000,),
    depths=(1, 2, 3, 4),
    activations=("relu", "tanh"),
    seeds=(0, 1),
    pairs=400,
)
# embedded digits, half a minute on two cores; MNIST on two cores; MNIST on a GPU (the same networks)
PRESETS = {"quick": Settings(), "cpu": _MNIST, "gpu": _MNIST}


def by_size(settings: Settings) -> dict[str, Settings]:
    """The networks of a sweep over the size of the code, by that size."""
    inside = {str(d): replace(settings, dim=d) for d in settings.dims}
    return inside | {str(d): replace(settings, dim=d, wide=True) for d in settings.wide_dims}


def by_depth(settings: Settings) -> dict[str, Settings]:
    """The networks of a sweep over depth, named "relu, 2", with one size of code."""
    return {f"{a}, {n}": replace(settings, depth=n, activation=a) for a in settings.activations for n in settings.depths}


class AutoencoderTask:
    """The images of a batch against their reconstructions."""

    def __init__(self, network: Autoencoder, train: Dataset, test: Dataset, device: torch.device | str = "cpu"):
        self.module, self.samples = network, len(train)
        self.images, self.test_images = train.images.to(device), test.images.to(device)  # (n, c, h, w) uint8

    def terms(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        images = to_float(self.images[indices.to(self.images.device)])  # (b, c, h, w)
        return {"loss": reconstruction_error(self.module(images), images)}

    def test_terms(self, generator: torch.Generator) -> dict[str, Tensor]:
        return {"loss": torch.tensor(error_on(self.module, self.test_images))}


def build(settings: Settings, shape: tuple[int, int, int], seed: int) -> Autoencoder:
    """A network with fresh weights from the seed for images (c, h, w); the global generator stays as it was.

    Raises ValueError for images that are not square, and as `Autoencoder`.
    """
    channels, height, side = shape
    if height != side:
        raise ValueError(f"The autoencoder needs square images, not {height}×{side}. Crop or scale them first.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        form = {"depth": settings.depth, "activation": settings.activation, "wide": settings.wide}
        return Autoencoder(settings.dim, channels=channels, size=side, **form)


def run(
    settings: Settings, *, train: Dataset, test: Dataset, seed: int = 0, device: str = "cpu",
    folder: Path | str | None = None, resume: bool = False, show: bool = True,
) -> Run:  # fmt: skip
    """Train one autoencoder. Networks of one seed see the same images in the same order, whatever their size."""
    network = build(settings, train.images.shape[1:], seed)
    task, title = AutoencoderTask(network, train, test, device), f"autoencoder, d = {settings.dim}"
    history = fit(task, settings.budget, seed=seed, device=device, folder=folder, resume=resume, show=show, title=title)
    return Run(network.to("cpu"), history, settings, seed)


def run_all(
    variants: Mapping[str, Settings], seeds: Sequence[int], *, train: Dataset, test: Dataset, device: str = "cpu",
    show: bool = True,
) -> dict[str, list[Run]]:  # fmt: skip
    """Train every variant with every seed, several at a time: {name: one run per seed}. Equal variants are trained once."""
    # the costliest first, so that no core waits for the last one
    wanted = [(v, s) for v in sorted(dict.fromkeys(variants.values()), key=lambda v: -v.dim) for s in seeds]
    jobs = [(v, s, train, test, str(device)) for v, s in wanted]
    runs = dict(zip(wanted, in_parallel(_run, jobs, title=f"{len(jobs)} autoencoders", device=device, show=show), strict=True))
    return {name: [runs[v, s] for s in seeds] for name, v in variants.items()}


def _run(settings: Settings, seed: int, train: Dataset, test: Dataset, device: str) -> Run:
    return run(settings, train=train, test=test, seed=seed, device=device, show=False)


def scores(network: Autoencoder, settings: Settings, train: Dataset, test: Dataset) -> dict[str, float]:
    """Error per pixel on the test set, beside the best linear code of as many numbers and the mean image."""
    dims = (0, min(settings.dim, train.images[0].numel()))
    pca = pca_errors(to_float(train.images), to_float(test.images), dims)
    return {"test error per pixel": error_on(network.cpu(), test.images), "PCA": pca[dims[1]], "mean image": pca[0]}


def codes(network: Autoencoder, images: Tensor) -> Tensor:
    """Codes z of uint8 images (n, c, h, w) → float32 (n, dim)."""
    return represent(network.encoder, images, precision="float32")


@torch.no_grad()
def reconstruct(network: Autoencoder, images: Tensor) -> Tensor:
    """Reconstructions of uint8 images, or of float images in [0, 1], (n, c, h, w) → float32 in [0, 1], same shape."""
    return torch.cat([network(part if part.is_floating_point() else to_float(part)) for part in images.split(1000)])


def error_on(network: Autoencoder, images: Tensor) -> float:
    """Mean squared error per pixel of uint8 images (n, c, h, w)."""
    return float(reconstruction_error(reconstruct(network, images), to_float(images)))


def trend(history: History) -> float:
    """Mean training loss over the last epoch's batches."""
    last = round(history.steps / history.epochs["epoch"][-1])
    return sum(history.batches["loss"][-last:]) / last
