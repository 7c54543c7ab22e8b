"""VICReg from images to representations: the only place that knows its data, views, models, loss and loop together."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from latentlab.augment import PRESETS as VIEWS
from latentlab.augment import Views
from latentlab.data import Dataset
from latentlab.losses import VICRegWeights, vicreg
from latentlab.losses.vicreg import correlation
from latentlab.models import ConvNet, JointEmbedding, ResNet18
from latentlab.recipes.contract import Run
from latentlab.recipes.represent import score_table
from latentlab.training import Budget, fit
from latentlab.training.processes import gather


@dataclass(frozen=True)
class Settings:
    """Everything that decides a VICReg run but the seed."""

    data: str = "shapes10"
    views: str = "shapes"  # a name in augment.PRESETS
    encoder: str = "convnet"  # or "resnet18"
    widths: tuple[int, ...] = (32, 96, 160, 224)  # the ConvNet's stages
    keep: int | None = None  # how many of its last stages make the representation; None is all
    dim: int = 128  # the ResNet's representation
    projector: tuple[int, ...] = (512, 512, 512)
    weights: VICRegWeights = field(default_factory=VICRegWeights)
    budget: Budget = field(default_factory=Budget)
    test_images: int = 2000  # the loss terms of the test set are taken on the first so many


PRESETS = {
    # the default: embedded data, under a minute on two cores
    "quick": Settings(budget=Budget(epochs=10, batch=128)),
    # real CIFAR-10 on two cores: wide early stages and Muon, see notebook 13
    "cpu": Settings(
        data="cifar10",
        views="cifar-cpu",
        widths=(64, 128, 256, 256),
        keep=2,
        budget=Budget(epochs=None, minutes=6.0, optimiser="muon", learning_rate=0.02, weight_decay=0.0, compile=True),
    ),
    # the coursework's recommended settings, for a GPU
    "gpu": Settings(
        data="cifar10",
        views="exercise",
        encoder="resnet18",
        budget=Budget(epochs=30, learning_rate=3e-4, weight_decay=1e-6, compile=True),
    ),
}


class VICRegTask:
    """Two views of every image of a batch, their embeddings, the three terms.

    With `partners` (n, k), the second view is not of image i but of one of the images partners[i], drawn anew in every step.
    """

    def __init__(
        self,
        network: JointEmbedding,
        train: Dataset,
        test: Dataset | None,
        settings: Settings,
        device: torch.device,
        partners: Tensor | None = None,
    ):
        if partners is not None and (partners.ndim != 2 or len(partners) != len(train)):
            raise ValueError(f"partners has shape {tuple(partners.shape)}; expected indices (k) for each of {len(train)} images.")
        self.module, self.samples = network, len(train)
        self.images, self.partners = train.images.to(device), partners  # (n, c, h, w) uint8; (n, k) or None
        self.test_images = None if test is None else test.images[: settings.test_images].to(device)
        self.views, self.weights, self.batch = VIEWS[settings.views], settings.weights, settings.budget.batch

    def terms(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        second = indices if self.partners is None else self._draw_partners(indices, generator)  # (b,)
        z1, z2 = map(gather, self._embed(self._images(indices), generator, self._images(second)))  # (b, d) each
        return vicreg(z1, z2, self.weights) | {"correlation": correlation(z1.detach().float())}

    def _images(self, indices: Tensor) -> Tensor:
        return self.images[indices.to(self.images.device)]  # (b, c, h, w) uint8

    def _draw_partners(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """One of each image's partners at random: (b,)."""
        k = self.partners.shape[1]
        column = torch.randint(k, (len(indices), 1), generator=generator, device=generator.device)
        return self.partners[indices].gather(1, column.cpu())[:, 0]  # (b, k) → (b,)

    def test_terms(self, generator: torch.Generator) -> dict[str, Tensor]:
        if self.test_images is None:
            return {}
        whole = [images for images in self.test_images.split(self.batch) if len(images) == self.batch]
        batches = [vicreg(*self._embed(images, generator), self.weights) for images in whole]
        return {name: torch.stack([b[name] for b in batches]).mean() for name in batches[0]} if batches else {}

    def _embed(self, images: Tensor, generator: torch.Generator, second: Tensor | None = None) -> tuple[Tensor, Tensor]:
        views = two_views(images, self.views, generator, second)  # (2b, c, s, s)
        return self.module(views).chunk(2)  # (b, d) each


def two_views(images: Tensor, views: Views, generator: torch.Generator, second: Tensor | None = None) -> Tensor:
    """Two independent random views of every image, first all first ones, then all second ones; (b, c, h, w) → (2b, c, s, s).

    second (b, c, h, w): the images of the second views, if they are not the same ones.
    """
    with torch.autocast(images.device.type, enabled=False):  # pictures stay in float32, the network decides for itself
        both = torch.cat([views(images, generator), views(images if second is None else second, generator)])  # (2b, c, s, s)
    return both.contiguous(memory_format=torch.channels_last)


def build(settings: Settings, shape: tuple[int, int, int], seed: int) -> JointEmbedding:
    """A network for images (c, h, w) with fresh weights from the seed; the global generator stays as it was.

    Raises ValueError for an unknown encoder.
    """
    channels = shape[0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if settings.encoder == "convnet":
            encoder = ConvNet(channels, settings.widths, settings.keep)
        elif settings.encoder == "resnet18":
            encoder = ResNet18(channels, settings.dim)
        else:
            raise ValueError(f"There is no encoder {settings.encoder!r}; choose 'convnet' or 'resnet18'.")
        return JointEmbedding(encoder, settings.projector)


def run(
    settings: Settings,
    *,
    train: Dataset,
    test: Dataset | None = None,
    seed: int = 0,
    device: str = "cpu",
    partners: Tensor | None = None,
    folder: Path | str | None = None,
    resume: bool = False,
    show: bool = True,
    after_epoch: Callable[[JointEmbedding, float], None] | None = None,
) -> Run:
    """Train an encoder without labels and return it with its history.

    test         without it the history has no terms of held-out images; labels are never looked at
    partners     (n, k): the second view is of one of these images instead (see `ablations`)
    folder, resume  see `training.fit`      after_epoch(network, seconds)  for accuracy-against-time curves
    """
    network = build(settings, train.images.shape[1:], seed)
    task = VICRegTask(network, train, test, settings, torch.device(device), partners)
    history = fit(
        task, settings.budget, seed=seed, device=device, folder=folder, resume=resume, title="VICReg", show=show,
        after_epoch=None if after_epoch is None else lambda seconds: after_epoch(network, seconds),
    )  # fmt: skip
    return Run(network, history, settings, seed)


def untrained(settings: Settings, shape: tuple[int, int, int], seed: int = 0) -> nn.Module:
    """The encoder of `run` before its first step: the baseline that shows what training adds."""
    return build(settings, shape, seed).encoder.eval()


def scores(network: JointEmbedding, settings: Settings, train: Dataset, test: Dataset) -> dict[str, float]:
    """Every accuracy of the encoder in percent, beside raw pixels and the untrained encoder (of seed 0)."""
    shape = train.images.shape[1:]
    encoders = {"untrained": untrained(settings, shape).to(next(network.parameters()).device), "trained": network.encoder}
    table = score_table(encoders, train, test)
    return {f"{name}, {kind}": score.percent for name, row in table.items() for kind, score in row.items()}
