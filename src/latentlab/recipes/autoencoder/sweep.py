"""Autoencoders of many sizes: the only place that knows their data, network, loss and loop together."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from latentlab.data import Dataset, data_root, load, to_float
from latentlab.losses import reconstruction_error
from latentlab.models import Autoencoder
from latentlab.training import Budget, CheckpointError, History, checksum, fit
from latentlab.training.checkpoint import load_checkpoint, save_checkpoint
from latentlab.training.many import in_parallel

from ..represent import represent


@dataclass(frozen=True)
class Model:
    """One autoencoder of the sweep. `wide` allows more numbers in the code than pixels in the image."""

    dim: int
    depth: int = 3
    activation: str = "relu"
    seed: int = 0
    wide: bool = False


@dataclass(frozen=True)
class Settings:
    """Everything that decides a sweep but the device."""

    data: str = "digits"
    ranges: tuple[tuple[int, ...], ...] = ((5, 7, 10), (15,), (50,), (100,))  # latent dimensions, in groups
    extra: tuple[int, ...] = (3,)  # further ones
    seeds: tuple[int, ...] = (0, 1)
    wide: tuple[int, ...] = ()  # more than the pixels
    path_dims: tuple[int, ...] = (3, 5, 10, 15, 50, 100)  # those whose paths between two digits are looked at
    depths: tuple[int, ...] = (1, 2, 3, 4)  # convolutions in the encoder
    activations: tuple[str, ...] = ("relu",)
    depth_dim: int = 15
    linear: tuple[int, ...] = (15,)  # latent dimensions of networks without an activation: the control
    pairs: int = 200  # pairs of digits for the statistics of paths
    budget: Budget = field(
        default_factory=lambda: Budget(epochs=20, batch=64, learning_rate=8e-3, weight_decay=0.0, precision="float32")
    )
    keep: bool = False  # keep finished models on disk, so that an interrupted sweep goes on where it stopped

    @property
    def dims(self) -> tuple[int, ...]:
        """All latent dimensions up to the number of pixels, in rising order."""
        return tuple(sorted({d for group in (*self.ranges, self.extra) for d in group}))

    def sweep(self) -> list[Model]:
        """The models of all latent dimensions and seeds."""
        inside = [Model(d, seed=s) for d in self.dims for s in self.seeds]
        return inside + [Model(d, seed=s, wide=True) for d in self.wide for s in self.seeds]

    def depth_table(self) -> list[Model]:
        """The models of all depths and activations, and the linear control."""
        table = [Model(self.depth_dim, d, a, s) for a in self.activations for d in self.depths for s in self.seeds]
        return table + [Model(d, activation="none", seed=s) for d in self.linear for s in self.seeds]


_MNIST = Settings(
    data="mnist",
    ranges=(tuple(range(5, 15)), tuple(range(50, 56)), tuple(range(100, 105))),
    extra=(2, 3, 15, 40, 90),
    wide=(1000,),
    path_dims=(3, 5, 10, 15, 40, 90, 100),
    activations=("relu", "tanh"),
    pairs=400,
    budget=Budget(epochs=4, batch=128, learning_rate=4e-3, weight_decay=0.0, precision="float32"),
    keep=True,
)
# embedded digits, under a minute on two cores; MNIST on two cores; MNIST on a GPU (the same models)
PRESETS = {"quick": Settings(), "cpu": _MNIST, "gpu": _MNIST}


@dataclass
class Run:
    """A trained autoencoder with its history."""

    model: Model
    network: Autoencoder
    history: History

    @property
    def test_error(self) -> float:
        """Mean squared error per pixel on the test set, after the last epoch."""
        return self.history.epochs["loss"][-1]

    @property
    def train_epochs(self) -> list[float]:
        """Mean training loss of every epoch, over the batches of that epoch."""
        per_epoch = round(self.history.steps / self.history.epochs["epoch"][-1])
        ends = range(per_epoch, self.history.steps, per_epoch)
        return [float(part.mean()) for part in np.split(np.array(self.history.batches["loss"]), ends)]


class AutoencoderTask:
    """The images of a batch against their reconstructions."""

    def __init__(self, network: Autoencoder, train: Dataset, test: Dataset, device: torch.device | str = "cpu"):
        self.module, self.samples = network, len(train)
        self.images, self.test_images = train.images.to(device), test.images.to(device)  # (n, c, h, w) uint8

    def terms(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        images = to_float(self.images[indices.to(self.images.device)])  # (b, c, h, w)
        return {"loss": reconstruction_error(self.module(images), images)}

    def test_terms(self, generator: torch.Generator) -> dict[str, Tensor]:
        parts = [to_float(part) for part in self.test_images.split(500)]
        total = sum(reconstruction_error(self.module(x), x) * len(x) for x in parts)
        return {"loss": total / len(self.test_images)}


def build(model: Model, channels: int = 1, size: int = 28) -> Autoencoder:
    """The network of `model` with fresh weights from its seed; the global generator stays as it was. Raises as `Autoencoder`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(model.seed)
        return Autoencoder(
            model.dim, channels=channels, size=size, depth=model.depth, activation=model.activation, wide=model.wide
        )


def train(
    model: Model, settings: Settings, *, train: Dataset | None = None, test: Dataset | None = None, device: str = "cpu",
    show: bool = True,
) -> Run:  # fmt: skip
    """Train one autoencoder. Models with the same seed see the same images in the same order, whatever their size.

    train, test default to the two splits of `settings.data`. Raises ValueError for images that are not square.
    """
    train, test = train or splits(settings.data)[0], test or splits(settings.data)[1]
    channels, height, side = train.images.shape[1:]
    if height != side:
        raise ValueError(f"The autoencoder needs square images; {train.name} has {height}×{side}. Crop or scale them first.")
    network = build(model, channels, side)
    task = AutoencoderTask(network, train, test, device)
    history = fit(task, settings.budget, seed=model.seed, device=device, title=f"autoencoder, d = {model.dim}", show=show)
    return Run(model, network.to("cpu"), history)


def train_all(models: Sequence[Model], settings: Settings, *, device: str = "cpu", show: bool = True) -> dict[Model, Run]:
    """Train every model once, several at a time (see `pool`); with `settings.keep` each finished one is kept under data/cache."""
    wanted = list(dict.fromkeys(models))
    # the costliest first, so that no core waits for the last one
    jobs = [(model, settings, str(device)) for model in sorted(wanted, key=lambda m: -m.dim)]
    states = in_parallel(_trained_state, jobs, title=f"{len(jobs)} autoencoders", device=device, show=show)
    channels, _, side = splits(settings.data)[0].images.shape[1:]
    runs = {}
    for (model, *_), state in zip(jobs, states, strict=True):
        network = build(model, channels, side)
        network.load_state_dict(state["network"])
        runs[model] = Run(model, network.eval(), History(**state["history"]))
    return {model: runs[model] for model in wanted}


@torch.no_grad()
def codes(run: Run, images: Tensor) -> Tensor:
    """Codes z of uint8 images (n, c, h, w) → float32 (n, dim)."""
    return represent(run.network.encoder, images, precision="float32")


@torch.no_grad()
def reconstruct(run: Run, images: Tensor) -> Tensor:
    """Reconstructions of uint8 images, or of float images in [0, 1], (n, c, h, w) → float32 in [0, 1], same shape."""
    parts = (part if part.is_floating_point() else to_float(part) for part in images.split(1000))
    return torch.cat([run.network(part) for part in parts])


def idempotence(run: Run, images: Tensor) -> float:
    """Squared change by a second reconstruction over that by the first: 0 for a projection; images uint8 (n, c, h, w)."""
    x = to_float(images)
    once = reconstruct(run, x)
    # ‖r(r(x)) − r(x)‖² / ‖r(x) − x‖²
    return float(reconstruction_error(reconstruct(run, once), once) / reconstruction_error(once, x))


def _trained_state(model: Model, settings: Settings, device: str) -> dict:
    """Weights and history of one model as a dictionary, from disk if it was kept there."""
    path = _kept(model, settings)
    if path is not None and path.exists():
        try:
            return load_checkpoint(path)
        except CheckpointError:
            path.unlink()  # damaged: train it again
    run = train(model, settings, device=device, show=False)
    state = {"network": run.network.state_dict(), "history": vars(run.history)}
    if path is not None:
        save_checkpoint(path, state)
    return state


def _kept(model: Model, settings: Settings) -> Path | None:
    """Where a finished model lies: a name that changes with all that decides its weights."""
    if not settings.keep:
        return None
    data = splits(settings.data)[0]
    start = checksum(build(model, data.images.shape[1], data.images.shape[2]))  # layers and first weights
    about = [asdict(model), asdict(settings.budget), data.checksum, start, torch.__version__]
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
    return data_root() / "cache" / "autoencoders" / f"d{model.dim}-{model.depth}-{model.activation}-{model.seed}-{digest}.pt"


@lru_cache(maxsize=2)
def splits(name: str) -> tuple[Dataset, Dataset]:
    """Training and test images of a data set, kept for the next call."""
    return load(name, "train"), load(name, "test")
