"""Contrastive learning: two views of an image attract each other, all other images of the batch repel."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentlab.augment import PRESETS as VIEWS
from latentlab.data import Dataset
from latentlab.evaluation import linear_probe_converged
from latentlab.losses import info_nce, nt_xent
from latentlab.models import Projector
from latentlab.models.convnet import standardise, stem
from latentlab.recipes.contract import Run
from latentlab.recipes.kept import fetch, keep, path_of
from latentlab.recipes.represent import represent
from latentlab.recipes.vicreg.pretraining import two_views
from latentlab.training import Budget, fit
from latentlab.training.processes import gather

from .factors import agreement

LOSSES = {"info_nce": info_nce, "nt_xent": nt_xent}
SETS = {"A": "figure-painted", "B": "figure-moved", "C": "figure-moved-painted"}  # notebook 07: what the views change
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run but the seed."""

    data: str = "coloured_shapes"
    views: str = "figure-moved"  # a name in augment.PRESETS
    side: int | None = 32  # pixels of a view; None: as the views say
    pooled: bool = True  # read the means over all places; False: every place by itself
    widths: tuple[int, ...] = (16, 32, 64)  # of the stages, each of half the side
    dim: int = 32  # of the representation
    head: int = 0  # width of an MLP between representation and loss; 0: none, as in the homework
    loss: str = "info_nce"  # or "nt_xent"
    temperature: float = 0.07
    chunk: int | None = None  # rows of logits in memory at once
    budget: Budget = field(
        default_factory=lambda: Budget(epochs=8, batch=100, learning_rate=3e-3, precision="float32", test_every=0.25)
    )


_LONG = Settings(side=64, widths=(32, 64, 128, 256), dim=128, budget=Budget(epochs=200, batch=500, test_every=20))
PRESETS = {"quick": Settings(), "cpu": _LONG, "gpu": _LONG}


class Encoder(nn.Module):
    """Images (b, channels, h, w) in [0, 1], averaged to side × side → representations y (b, dim).

    Stages of stride 2, then one linear layer on the spatial means of the last two (pooled), or on all places of the last.
    """

    def __init__(self, channels: int, side: int, settings: Settings):
        super().__init__()
        widths, self.side, self.pooled, self.dim = settings.widths, side, settings.pooled, settings.dim
        if side % 2 ** len(widths):
            raise ValueError(f"A side of {side} cannot be halved {len(widths)} times; choose another side or fewer widths.")
        pairs = zip((channels, *widths), widths, strict=False)
        self.stages = nn.ModuleList(stem(a, b) for a, b in pairs)  # (b, width, side / 2, side / 2), …
        self.read = nn.Linear(sum(widths[-2:]) if self.pooled else widths[-1] * (side // 2 ** len(widths)) ** 2, self.dim)

    def forward(self, images: Tensor) -> Tensor:
        maps = [standardise(F.adaptive_avg_pool2d(images, self.side))]  # (b, c, side, side)
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        means = [m.mean((2, 3)) for m in maps[1:][-2:]]  # (b, width) each
        return self.read(torch.cat(means, 1) if self.pooled else maps[-1].flatten(1))  # (b, dim)


class SimCLR(nn.Module):
    """An encoder and its head: views (b, c, h, w) → embeddings of length 1 (b, d)."""

    def __init__(self, channels: int, side: int, settings: Settings):
        super().__init__()
        self.encoder = Encoder(channels, side, settings)
        self.head = Projector(settings.dim, (settings.dim, settings.head)) if settings.head else nn.Identity()

    def forward(self, views: Tensor) -> Tensor:
        return F.normalize(self.head(self.encoder(views)).float(), dim=1)  # (b, d)


class SimCLRTask:
    """Two views of every image of a batch; the loss tells the pairs apart."""

    def __init__(self, network: SimCLR, train: Tensor, test: Tensor | None, settings: Settings):
        self.module, self.samples, self.settings = network, len(train), settings
        self.train, self.test, self.views = train, test, _views(settings)  # (n, c, h, w) and (m, c, h, w) uint8

    def terms(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        return self._terms(self.train[indices.to(self.train.device)], generator)

    def _terms(self, images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        z1, z2 = self.module(two_views(images, self.views, generator)).chunk(2)  # (b, d) each
        loss = LOSSES[self.settings.loss](gather(z1), gather(z2), self.settings.temperature, self.settings.chunk)
        return {"loss": loss}

    def test_terms(self, generator: torch.Generator) -> dict[str, Tensor]:
        b = self.settings.budget.batch
        return {} if self.test is None or len(self.test) < b else self._terms(self.test[:b], generator)


def _views(settings: Settings) -> Callable[[Tensor, torch.Generator], Tensor]:
    if settings.views not in VIEWS or settings.loss not in LOSSES:
        known = f"views is one of {', '.join(VIEWS)}, loss one of {', '.join(LOSSES)}"
        raise ValueError(f"{known}; got {settings.views}, {settings.loss}.")
    views = VIEWS[settings.views]
    return views if settings.side is None else replace(views, size=settings.side)


def build(settings: Settings, shape: tuple[int, int, int], seed: int) -> SimCLR:
    """A network with fresh weights from the seed; the global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SimCLR(shape[0], _views(settings).size, settings)


def run(
    settings: Settings, *, train: Dataset, test: Dataset | None = None, seed: int = 0, device: str = "cpu",
    folder: Path | str | None = None, resume: bool = False, show: bool = True,
    after_epoch: Callable[[SimCLR], None] | None = None,
) -> Run:  # fmt: skip
    """Train an encoder without labels; see `training.fit` for folder and resume, and for when after_epoch is called."""
    network = build(settings, train.images.shape[1:], seed)
    task = SimCLRTask(network, train.images.to(device), None if test is None else test.images.to(device), settings)
    history = fit(
        task, settings.budget, seed=seed, device=device, folder=folder, resume=resume, show=show, title="SimCLR",
        after_epoch=None if after_epoch is None else lambda seconds: after_epoch(network),
    )  # fmt: skip
    return Run(network, history, settings, seed)


def scores(network: SimCLR, settings: Settings, train: Dataset, test: Dataset) -> dict[str, float]:
    """In percent: the converged probe of the label and, where the factors are known, what five neighbours share."""
    a, b = (represent(network.encoder, part.images) for part in (train, test))
    found = {"probe": linear_probe_converged(a, train.labels, b, test.labels).percent}
    if {"row", "column", "colour", "shape"} <= train.factors.keys():
        found |= {f"neighbours share the {name}": 100 * value for name, value in agreement(a, train, b, test).items()}
    return found


def take(settings: Settings, name: str, seed: int, preset: str, *, train: Dataset, device: str = "cpu") -> nn.Module:
    """The trained encoder `name` from data/checkpoints, trained and saved if it is missing.

    Raises CheckpointError for a file made with other settings or data.
    """
    path, encoder = path_of(f"simclr-{name}", seed, preset), build(settings, train.images.shape[1:], seed).encoder

    def make() -> None:
        keep(path, run(settings, train=train, seed=seed, device=device).encoder, settings, train)

    fetch(path, encoder, settings, train, make)
    return encoder.to(device).eval()
