"""VICReg from images to representations: the only place that knows its data, views, models, loss and loop together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from latentlab.augment import PRESETS as VIEWS
from latentlab.augment import Views
from latentlab.data import Dataset
from latentlab.evaluation import knn, linear_probe, linear_probe_converged
from latentlab.losses.vicreg import VICRegWeights, correlation, vicreg, vicreg_of_many
from latentlab.models import ConvNet, JointEmbedding, ResNet18
from latentlab.models.convnet import whitening_kernels
from latentlab.recipes.contract import Run, fitted, seeded
from latentlab.recipes.represent import pixels, represent
from latentlab.training import Budget
from latentlab.training.processes import gather


@dataclass(frozen=True)
class Settings:
    """Everything that decides a VICReg run but the seed. ValueError for views that cannot be."""

    data: str = "shapes10"
    views: str = "shapes"  # a name in augment.PRESETS
    grow: tuple[int, ...] = ()  # sides of the views in equal parts of the training; (): what `views` says
    encoder: str = "convnet"  # or "resnet18"
    widths: tuple[int, ...] = (32, 96, 160, 224)  # the ConvNet's stages
    keep: int | None = None  # how many of its last stages make the representation; None is all
    looks: int = 2  # views of each image in a step, at least 2; more are compared pair by pair
    whiten: bool = False  # its first stage starts as filters that whiten patches of the training images
    dim: int = 128  # the ResNet's representation
    projector: tuple[int, ...] = (512, 512, 512)
    weights: VICRegWeights = field(default_factory=VICRegWeights)
    budget: Budget = field(default_factory=Budget)
    test_images: int = 2000  # the loss terms of the test set are taken on the first so many

    def __post_init__(self) -> None:
        if self.views not in VIEWS or self.looks < 2:
            raise ValueError(f"views is one of {', '.join(VIEWS)}, looks at least 2; got {self.views}, {self.looks}.")
        if not isinstance(self.grow, tuple) or min(self.grow, default=16) < 16:
            raise ValueError(f"grow lists the sides of views, 16 pixels or more each, such as 16,24; got {self.grow}.")


_muon = Budget(epochs=None, minutes=6.0, optimiser="muon", learning_rate=0.02, weight_decay=0.0, compile=True)
_cifar = Settings(data="cifar10", views="cifar-cpu", widths=(64, 128, 256, 256), keep=2, budget=_muon)
_fast = replace(_muon, minutes=5.0, batch=64, compile=False)
_small = replace(_cifar, widths=(32, 96, 192, 256), projector=(256,) * 3, weights=VICRegWeights(covariance=4.0))
_adam = Budget(epochs=30, learning_rate=3e-4, weight_decay=1e-6, compile=True)
PRESETS = {
    "quick": Settings(budget=Budget(epochs=10, batch=128)),  # embedded data, under a minute on two cores
    # real CIFAR-10 on two cores: wide early stages and Muon, see notebook 13
    "cpu": _cifar,
    # where bfloat16 is slow: narrower, four small views that grow, a start from whitened patches, not compiled
    "fast": replace(_small, views="cifar-fast", grow=(16, 16, 24), looks=4, whiten=True, budget=_fast),
    "gpu": Settings(data="cifar10", views="exercise", encoder="resnet18", budget=_adam),  # the coursework's settings
}


class VICRegTask:
    """`looks` views of every image, or one of it and the others of an image of its `partners` (n, k); three terms."""

    def __init__(
        self, network: JointEmbedding, train: Dataset, test: Dataset | None, settings: Settings,
        device: torch.device | str, partners: Tensor | None = None,
    ):  # fmt: skip
        if partners is not None and (partners.ndim != 2 or len(partners) != len(train)):
            raise ValueError(f"partners {tuple(partners.shape)}: expected k indices for each of {len(train)} images.")
        self.module, self.samples = network, len(train)
        self.images, self.partners = train.images.to(device), partners  # (n, c, h, w) uint8; (n, k) or None
        self.views, self.weights, self.looks = VIEWS[settings.views], settings.weights, settings.looks
        self.sides = settings.grow or (self.views.size,)
        self.test_views = replace(self.views, size=self.sides[-1])  # the same at every look
        parts = [] if test is None else test.images[: settings.test_images].to(device).split(settings.budget.batch)
        self.test_batches = [images for images in parts if len(images) == settings.budget.batch]

    def at(self, share: float) -> None:
        """Views of the side that belongs to this part of the training."""
        self.views = replace(self.views, size=self.sides[int(share * len(self.sides))])

    def terms(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        second = indices  # (b,)
        if self.partners is not None:  # one of each image's partners, at random
            k, shape = self.partners.shape[1], (len(indices), 1)
            column = torch.randint(k, shape, generator=generator, device=generator.device).cpu()
            second = self.partners[indices].gather(1, column)[:, 0]  # (b, k) → (b,)
        batches = [self.images[rows.to(self.images.device)] for rows in (indices, *[second] * (self.looks - 1))]
        z = [gather(part) for part in self._embed(batches, self.views, generator)]  # (b, d) each
        return compared(z, self.weights) | {"correlation": correlation(z[0].detach().float())}

    def test_terms(self, generator: torch.Generator) -> dict[str, Tensor]:
        z = (self._embed([images] * 2, self.test_views, generator) for images in self.test_batches)
        found = [compared(pair, self.weights) for pair in z]
        return {name: torch.stack([terms[name] for terms in found]).mean() for name in found[0]} if found else {}

    def _embed(self, batches: Sequence[Tensor], views: Views, generator: torch.Generator) -> tuple[Tensor, ...]:
        return self.module(many_views(batches, views, generator)).chunk(len(batches))  # (b, d) each


def compared(z: Sequence[Tensor], weights: VICRegWeights) -> dict[str, Tensor]:
    """VICReg's terms for the embeddings of two views, or of more; (b, d) each → scalars by name."""
    return vicreg(*z, weights) if len(z) == 2 else vicreg_of_many(torch.stack(tuple(z)), weights)


def many_views(batches: Sequence[Tensor], views: Views, generator: torch.Generator) -> Tensor:
    """A random view of every image of each batch, one batch after the other; k · (b, c, h, w) → (k·b, c, s, s)."""
    with torch.autocast(batches[0].device.type, enabled=False):  # pictures stay in float32
        seen = [views(images, generator) for images in batches]  # (b, c, s, s) each
    return torch.cat(seen).contiguous(memory_format=torch.channels_last)


def two_views(images: Tensor, views: Views, generator: torch.Generator) -> Tensor:
    """Two random views of every image; (b, c, h, w) → (2b, c, s, s)."""
    return many_views([images, images], views, generator)


def build(settings: Settings, shape: tuple[int, int, int], seed: int) -> JointEmbedding:
    """A network for images (c, h, w) with fresh weights from the seed; ValueError for an unknown encoder."""
    forms = {"convnet": (ConvNet, settings.widths, settings.keep), "resnet18": (ResNet18, settings.dim)}
    if settings.encoder not in forms:
        raise ValueError(f"There is no encoder {settings.encoder!r}; choose {', '.join(forms)}.")
    make, *form = forms[settings.encoder]
    with seeded(seed):
        return JointEmbedding(make(shape[0], *form), settings.projector)


def run(
    settings: Settings, *, train: Dataset, test: Dataset | None = None, seed: int = 0, device: str = "cpu",
    partners: Tensor | None = None, after_epoch: Callable[[JointEmbedding, float], None] | None = None, **how: Any,
) -> Run:  # fmt: skip
    """Train an encoder without labels; how: folder, resume, show of `training.fit`.

    test      without it the history has no terms of held-out images; labels are never looked at
    partners  (n, k): the second view is of one of these images instead (see `ablations`)
    after_epoch(network, seconds of training) follows every look at the test set.
    """
    network = build(settings, train.images.shape[1:], seed)
    if settings.whiten:
        some = train.sample(min(len(train), 4000), seed=seed).images
        network.encoder.stages[0][0].weight.data = whitening_kernels(some, settings.widths[0])
    task = VICRegTask(network, train, test, settings, device, partners)
    after = after_epoch and (lambda seconds: after_epoch(network, seconds))
    return fitted(task, settings, seed=seed, device=device, title="VICReg", after_epoch=after, **how)


def untrained(settings: Settings, shape: tuple[int, int, int], seed: int = 0) -> nn.Module:
    """The encoder of `run` before its first step: the baseline that shows what training adds."""
    return build(settings, shape, seed).encoder.eval()


def scores(network: JointEmbedding, settings: Settings, train: Dataset, test: Dataset) -> dict[str, float]:
    """Accuracies in percent, beside those of raw pixels and the untrained encoder; "probe" is the report's."""
    start = untrained(settings, train.images.shape[1:]).to(next(network.parameters()).device)
    encoders = {"untrained": start, "trained": network.encoder}
    makers = {"raw pixels": pixels} | {name: partial(represent, encoder) for name, encoder in encoders.items()}
    kinds = {"probe": linear_probe, "probe, standardised": partial(linear_probe, standardise=True)}
    kinds |= {"probe, converged": linear_probe_converged, "20 neighbours": partial(knn, k=20)}
    found = {}
    for name, make in makers.items():
        codes = make(train.images), train.labels, make(test.images), test.labels
        found |= {f"{name}, {kind}": score(*codes).percent for kind, score in kinds.items()}
    return found
