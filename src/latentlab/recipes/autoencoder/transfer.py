"""What a pre-trained encoder is worth with few labels: frozen, fine-tuned, from scratch, or the head first."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from latentlab.data import Dataset, to_float
from latentlab.evaluation import knn
from latentlab.models import Autoencoder
from latentlab.recipes.contract import Run, seeded
from latentlab.recipes.represent import pixels, represent
from latentlab.training import Budget, fit
from latentlab.training.many import in_parallel

from . import sweep

REGIMES = ("frozen", "fine-tuned", "from scratch", "head first")


@dataclass(frozen=True)
class Settings:
    """What decides one classifier but its seed; then what a comparison varies. ValueError for an unknown regime."""

    data: str = "digits"
    regime: str = "frozen"
    labels: int = 100
    steps: int = 100  # of every training, whatever the number of labels
    rate: float = 3e-3
    batch: int = 64  # or all labelled images, if there are fewer
    classes: int = 10
    pretraining: sweep.Settings = sweep.Settings()
    counts: tuple[int, ...] = (20, 1400)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    rates: tuple[float, ...] = (3e-3,)  # of several, each regime and count takes the best on held-out images
    held_out: int = 0  # labelled images for that choice

    def __post_init__(self) -> None:
        if self.regime not in REGIMES:
            raise ValueError(f"There is no regime {self.regime!r}; choose {', '.join(REGIMES)}.")

    def budget(self, labelled: int, share: float = 1.0) -> Budget:
        """`share` of the steps on so many images; the test accuracy is taken at the end."""
        batch = min(self.batch, labelled)
        epochs = self.steps * share / (labelled // batch)
        form = {"weight_decay": 0.0, "precision": "float32", "test_every": epochs}
        return Budget(epochs=epochs, batch=batch, learning_rate=self.rate, **form)


_MNIST = Settings(
    data="mnist", steps=1000, pretraining=sweep.PRESETS["cpu"], counts=(20, 100, 500, 20000), rates=(1e-3, 3e-3),
    held_out=2000,
)  # fmt: skip
PRESETS = {"quick": Settings(), "cpu": _MNIST, "gpu": _MNIST}


class ClassifierTask:
    """Cross-entropy on labelled images; a frozen encoder's codes are computed once."""

    def __init__(self, network: nn.Module, labelled: Dataset, test: Dataset, *, frozen: bool, device: str = "cpu"):
        self.module, self.samples = network.head if frozen else network, len(labelled)
        read = (lambda x: represent(network.encoder, x, precision="float32")) if frozen else to_float
        self.inputs, self.test_inputs = (read(part.images).to(device) for part in (labelled, test))  # codes or images
        self.labels, self.test_labels = labelled.labels.to(device), test.labels.to(device)  # (n,), (m,)

    def terms(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        at = indices.to(self.labels.device)
        return {"loss": F.cross_entropy(self.module(self.inputs[at]), self.labels[at])}

    def test_terms(self, generator: torch.Generator) -> dict[str, Tensor]:
        said = torch.cat([self.module(part).argmax(1) for part in self.test_inputs.split(1000)])
        return {"accuracy": (said == self.test_labels).float().mean()}


def build(settings: Settings, shape: tuple[int, ...], seed: int, pretrained: Autoencoder | None = None) -> nn.Module:
    """A fresh head on a copy of the pre-trained encoder or on a fresh one; (b, c, h, w) in [0, 1] → (b, classes)."""
    encoder = sweep.build(settings.pretraining, shape, 1000 + seed).encoder  # (b, dim)
    with seeded(seed):
        layers = nn.Linear(encoder.dim, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, settings.classes)
    if pretrained is not None and settings.regime != "from scratch":
        encoder.load_state_dict(pretrained.encoder.state_dict())
    return nn.Sequential(OrderedDict(encoder=encoder, head=nn.Sequential(*layers)))


def run(
    settings: Settings, *, train: Dataset, test: Dataset, seed: int = 0, device: str = "cpu", show: bool = True,
    pretrained: Autoencoder | None = None, folder: Path | str | None = None, resume: bool = False,
) -> Run:  # fmt: skip
    """A classifier trained on `settings.labels` images; without `pretrained`, an encoder is first trained on all.

    "frozen": only the head learns. "fine-tuned": all, from the pre-trained encoder. "from scratch": all, from fresh
    weights. "head first": the head alone for half of the steps, then all; the history is the second half's.
    """
    labelled, same = labelled_subset(settings, train, seed), {"seed": seed, "device": device, "show": show}
    if pretrained is None and settings.regime != "from scratch":
        before = folder and Path(folder) / "pretraining"
        begun = bool(before) and (before / "checkpoint.pt").exists()
        sets = {"train": train, "test": test, "folder": before, "resume": begun}
        pretrained = sweep.run(settings.pretraining, **sets, **same).network
    network, halves = build(settings, train.images.shape[1:], seed, pretrained), settings.regime == "head first"
    budget, same["title"] = settings.budget(len(labelled), 0.5 if halves else 1.0), f"classifier, {settings.regime}"
    task = partial(ClassifierTask, network, labelled, test, device=device)
    if halves and not resume:  # a checkpoint of the second half has the first inside
        fit(task(frozen=True), budget, **same)
    history = fit(task(frozen=settings.regime == "frozen"), budget, folder=folder, resume=resume, **same)
    return Run(network.cpu().eval(), history, settings, seed)


def scores(network: nn.Module, settings: Settings, train: Dataset, test: Dataset) -> dict[str, float]:
    """Accuracy on the test set, and that of ten nearest neighbours among the encoder's codes."""
    near = neighbours_of(network.cpu().encoder, train, test)
    return {"accuracy": accuracy(network, test), "10 neighbours among codes": near}


def compare(
    settings: Settings, pretrained: Autoencoder, train: Dataset, test: Dataset, regimes: Sequence[str] = REGIMES
) -> list[dict]:
    """Every regime, number of labels and seed, several at a time. A seed draws the labels and the head."""
    cells = [replace(settings, regime=r, labels=n) for n in sorted(settings.counts, reverse=True) for r in regimes]
    cells = in_parallel(best_rate, [(cell, pretrained, train) for cell in cells], title="learning rates")
    jobs = [(cell, seed, pretrained, train, test) for cell in cells for seed in settings.seeds]
    return in_parallel(outcome, jobs, title=f"{len(jobs)} classifiers")


def outcome(settings: Settings, seed: int, pretrained: Autoencoder, train: Dataset, test: Dataset) -> dict:
    """One training in numbers: accuracy, the loss of the last tenth of its steps, and what became of the encoder.

    "first gradient" is the gradient's norm at the first convolution over that at the last layer, before the first
    step; "neighbours" the accuracy of ten neighbours among the trained encoder's codes.
    """
    done = run(settings, train=train, test=test, seed=seed, pretrained=pretrained, show=False)
    losses = done.history.batches["loss"]
    tail = losses[-max(1, len(losses) // 10) :]
    fresh, labelled = build(settings, train.images.shape[1:], seed, pretrained), labelled_subset(settings, train, seed)
    F.cross_entropy(fresh(to_float(labelled.images[:256])), labelled.labels[:256]).backward()
    first, last = (layer.weight.grad.norm() for layer in (fresh.encoder[0], fresh.head[-1]))
    return {
        "regime": settings.regime, "labels": settings.labels, "seed": seed, "rate": settings.rate,
        "accuracy": done.history.epochs["accuracy"][-1], "train loss": sum(tail) / len(tail),
        "first gradient": float(first / last), "neighbours": neighbours_of(done.network.encoder, train, test),
    }  # fmt: skip


def best_rate(settings: Settings, pretrained: Autoencoder, train: Dataset) -> Settings:
    """The settings with the rate that is best on held-out images, tried with half of the steps and its own seed."""
    if len(settings.rates) == 1:
        return replace(settings, rate=settings.rates[0])
    held = train.holdout(settings.held_out, seed=0)[1]
    given = {"train": train, "test": held, "seed": 99, "pretrained": pretrained, "show": False}
    offered = [replace(settings, rate=rate, steps=settings.steps // 2) for rate in settings.rates]
    found = [run(one, **given).history.epochs["accuracy"][-1] for one in offered]
    return replace(settings, rate=settings.rates[found.index(max(found))])


def labelled_subset(settings: Settings, train: Dataset, seed: int) -> Dataset:
    """`settings.labels` training images with equal class shares, drawn by the seed from those that are not held out."""
    if settings.labels < 2:
        raise ValueError(f"{settings.labels} labelled images: there is nothing to learn from. Choose one per class.")
    rest = train.holdout(settings.held_out, seed=0)[0] if settings.held_out else train
    return rest.sample(settings.labels, seed=1 + seed)


def judge(settings: Settings, train: Dataset, test: Dataset) -> nn.Module:
    """A classifier trained from scratch on all originals: it tells whether a made-up image is recognised."""
    everything = {"labels": len(train), "held_out": 0, "steps": 2 * settings.steps}
    return run(replace(settings, regime="from scratch", **everything), train=train, test=test, show=False).network


def accuracy(classifier: nn.Module, test: Dataset) -> float:
    """Share of the test images that it names rightly."""
    return float((recognise(classifier, to_float(test.images)).argmax(1) == test.labels).float().mean())


@torch.no_grad()
def recognise(classifier: nn.Module, images: Tensor) -> Tensor:
    """Class probabilities of float images in [0, 1]; (n, c, h, w) → (n, classes)."""
    return torch.cat([classifier(part).softmax(1) for part in images.split(1000)])


def neighbours_of(encoder: nn.Module | None, train: Dataset, test: Dataset) -> float:
    """Accuracy of ten nearest neighbours among an encoder's codes, or, without one, raw pixels; of 5,000 and 2,000."""
    known, new = train.first(min(len(train), 5000)), test.first(min(len(test), 2000))
    read = pixels if encoder is None else lambda images: represent(encoder, images, precision="float32")
    return knn(read(known.images), known.labels, read(new.images), new.labels, k=10, metric="euclidean").accuracy
