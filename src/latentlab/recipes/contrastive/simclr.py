"""Contrastive learning: two views of an image attract each other, all other images of the batch repel."""

from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentlab.augment import PRESETS as VIEWS
from latentlab.data import Dataset
from latentlab.evaluation import linear_probe_converged
from latentlab.losses import info_nce, nt_xent
from latentlab.models import Projector
from latentlab.models.convnet import standardise, stem
from latentlab.recipes.contract import Run, fitted, seeded
from latentlab.recipes.kept import once, path_of
from latentlab.recipes.represent import represent
from latentlab.recipes.vicreg.pretraining import two_views
from latentlab.training import Budget
from latentlab.training.processes import gather

from .factors import agreement

LOSSES = {"info_nce": info_nce, "nt_xent": nt_xent}
SETS = {"A": "figure-painted", "B": "figure-moved", "C": "figure-moved-painted"}  # notebook 07: what the views change
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run but the seed. Raises ValueError for unknown views or an unknown loss."""

    data: str = "coloured_shapes"
    views: str = "figure-moved"  # a name in augment.PRESETS
    side: int = 32  # pixels of a view
    pooled: bool = True  # read the means over all places; False: every place by itself
    widths: tuple[int, ...] = (16, 32, 64)  # of the stages, each of half the side
    dim: int = 32  # of the representation
    head: int = 0  # width of an MLP between representation and loss; 0: none, as in the homework
    loss: str = "info_nce"  # or "nt_xent"
    temperature: float = 0.07
    chunk: int | None = None  # rows of logits in memory at once
    budget: Budget = Budget(epochs=8, batch=100, learning_rate=3e-3, precision="float32", test_every=0.25)

    def __post_init__(self) -> None:
        if self.views not in VIEWS or self.loss not in LOSSES:
            known = f"views is one of {', '.join(VIEWS)}, loss one of {', '.join(LOSSES)}"
            raise ValueError(f"{known}; got {self.views}, {self.loss}.")


_LONG = Settings(side=64, widths=(32, 64, 128, 256), dim=128, budget=Budget(epochs=200, batch=500, test_every=20))
PRESETS = {"quick": Settings(), "cpu": _LONG, "gpu": _LONG}


class Encoder(nn.Module):
    """Images (b, channels, h, w) in [0, 1], averaged to side × side → representations y (b, dim).

    Stages of stride 2, then one linear layer on the means of the last two over all places (pooled), or on every place
    of the last. Raises ValueError for a side that cannot be halved so often.
    """

    def __init__(self, channels: int, settings: Settings):
        super().__init__()
        widths, self.side, self.pooled, self.dim = settings.widths, settings.side, settings.pooled, settings.dim
        if self.side % 2 ** len(widths):
            raise ValueError(f"A side of {self.side} cannot be halved {len(widths)} times: choose another.")
        self.stages = nn.ModuleList(stem(a, b) for a, b in pairwise((channels, *widths)))
        places = (self.side // 2 ** len(widths)) ** 2
        self.read = nn.Linear(sum(widths[-2:]) if self.pooled else widths[-1] * places, self.dim)

    def forward(self, images: Tensor) -> Tensor:
        small = images if images.shape[-1] == self.side else F.adaptive_avg_pool2d(images, self.side)
        x, means = standardise(small), []  # (b, c, side, side)
        for stage in self.stages:
            x = stage(x)  # (b, width, side / 2, side / 2), …
            means.append(x.mean((2, 3)))  # (b, width)
        return self.read(torch.cat(means[-2:], 1) if self.pooled else x.flatten(1))  # (b, dim)


class SimCLR(nn.Module):
    """An encoder and its head: views (b, c, h, w) → embeddings of length 1 (b, d)."""

    def __init__(self, channels: int, settings: Settings):
        super().__init__()
        self.encoder = Encoder(channels, settings)
        self.head = Projector(settings.dim, (settings.dim, settings.head)) if settings.head else nn.Identity()

    def forward(self, views: Tensor) -> Tensor:
        return F.normalize(self.head(self.encoder(views)).float(), dim=1)  # (b, d)


class SimCLRTask:
    """Two views of every image of a batch; the loss tells the pairs apart."""

    def __init__(self, network: SimCLR, train: Tensor, test: Tensor | None, settings: Settings):
        self.module, self.samples, self.settings = network, len(train), settings
        self.train, self.test = train, test  # (n, c, h, w) and (m, c, h, w) uint8
        self.views = replace(VIEWS[settings.views], size=settings.side)

    def terms(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        return self.of(self.train[indices.to(self.train.device)], generator)

    def of(self, images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """The loss of these images (b, c, h, w)."""
        z1, z2 = self.module(two_views(images, self.views, generator)).chunk(2)  # (b, d) each
        settings, loss = self.settings, LOSSES[self.settings.loss]
        return {"loss": loss(gather(z1), gather(z2), settings.temperature, settings.chunk)}

    def test_terms(self, generator: torch.Generator) -> dict[str, Tensor]:
        b = self.settings.budget.batch
        return {} if self.test is None or len(self.test) < b else self.of(self.test[:b], generator)


def build(settings: Settings, shape: tuple[int, int, int], seed: int) -> SimCLR:
    """A network with fresh weights from the seed; the global generator stays as it was."""
    with seeded(seed):
        return SimCLR(shape[0], settings)


def run(
    settings: Settings, *, train: Dataset, test: Dataset | None = None, seed: int = 0, device: str = "cpu", **how: Any
) -> Run:
    """Train an encoder without labels; how: folder, resume, show of `training.fit`."""
    network = build(settings, train.images.shape[1:], seed)
    task = SimCLRTask(network, train.images.to(device), None if test is None else test.images.to(device), settings)
    return fitted(task, settings, seed=seed, device=device, title="SimCLR", **how)


def scores(network: SimCLR, settings: Settings, train: Dataset, test: Dataset) -> dict[str, float]:
    """In percent: the converged probe of the label and, where the factors are known, what five neighbours share."""
    a, b = (represent(network.encoder, part.images) for part in (train, test))
    found = {"probe": linear_probe_converged(a, train.labels, b, test.labels).percent}
    if {"row", "column", "colour", "shape"} <= train.factors.keys():
        found |= {f"neighbours share the {name}": 100 * value for name, value in agreement(a, train, b, test).items()}
    return found


def take(settings: Settings, name: str, seed: int, preset: str, *, train: Dataset, device: str = "cpu") -> nn.Module:
    """The encoder `name` from data/checkpoints, trained and saved if it is missing; raises as `kept.fetch`."""
    path, encoder = path_of(f"simclr-{name}", seed, preset), build(settings, train.images.shape[1:], seed).encoder
    make = partial(run, settings, train=train, seed=seed, device=device)
    return once(path, encoder, settings, train, lambda: make().encoder).to(device)
