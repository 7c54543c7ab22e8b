"""What a pre-trained encoder is worth with few labels: frozen, fine-tuned, from scratch, or the head first and then all."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from latentlab.data import Dataset, to_float
from latentlab.evaluation import knn_accuracy
from latentlab.models import Autoencoder
from latentlab.recipes.contract import Run
from latentlab.recipes.represent import pixels, represent
from latentlab.training import Budget, fit
from latentlab.training.many import in_parallel

from . import sweep

REGIMES = ("frozen", "fine-tuned", "from scratch", "head first")


@dataclass(frozen=True)
class Settings:
    """Everything that decides one classifier but its seed; then what a comparison varies."""

    data: str = "digits"
    regime: str = "frozen"
    labels: int = 100
    steps: int = 100  # of every training, whatever the number of labels
    rate: float = 3e-3
    batch: int = 64  # or all labelled images, if there are fewer
    checks: int = 5  # how often the test accuracy is taken on the way
    classes: int = 10
    pretraining: sweep.Settings = field(default_factory=sweep.Settings)
    counts: tuple[int, ...] = (20, 1400)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    rates: tuple[float, ...] = (3e-3,)  # with more than one, the best on held-out images is taken for each regime and count
    held_out: int = 0  # labelled images for that choice

    def budget(self, labelled: int, share: float = 1.0) -> Budget:
        """`share` of the steps on so many images."""
        batch = min(self.batch, labelled)
        epochs = self.steps * share / (labelled // batch)
        form = {"weight_decay": 0.0, "precision": "float32", "test_every": epochs / max(1, round(self.checks * share))}
        return Budget(epochs=epochs, batch=batch, learning_rate=self.rate, **form)


_MNIST = Settings(
    data="mnist", steps=1000, checks=4, pretraining=sweep.PRESETS["cpu"], counts=(20, 100, 500, 20000),
    rates=(1e-3, 3e-3), held_out=2000,
)  # fmt: skip
PRESETS = {"quick": Settings(), "cpu": _MNIST, "gpu": _MNIST}


class Classifier(nn.Module):
    """An encoder and three fully connected layers on its codes: images (b, c, h, w) in [0, 1] → logits (b, classes)."""

    def __init__(self, encoder: nn.Module, classes: int, hidden: int = 64):
        super().__init__()
        self.encoder = encoder
        self.head = nn.Sequential(
            nn.Linear(encoder.dim, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.encoder(images))  # (b, dim) → (b, classes)


class ClassifierTask:
    """Cross-entropy on labelled images; of a frozen encoder the codes are computed once. Raises ValueError without labels."""

    def __init__(self, network: Classifier, labelled: Dataset, test: Dataset, *, frozen: bool, device: str = "cpu"):
        if len(labelled) < 2:
            raise ValueError("There are no labelled images to learn from: give at least two.")
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


def build(settings: Settings, shape: tuple[int, int, int], seed: int, pretrained: Autoencoder | None = None) -> Classifier:
    """A fresh head on a copy of the pre-trained encoder, or on a fresh one; the global generator stays as it was.

    Raises ValueError for a regime that does not exist.
    """
    if settings.regime not in REGIMES:
        raise ValueError(f"There is no regime {settings.regime!r}; choose {', '.join(REGIMES)}.")
    encoder = sweep.build(settings.pretraining, shape, 1000 + seed).encoder
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Classifier(encoder, settings.classes)
    if pretrained is not None and settings.regime != "from scratch":
        encoder.load_state_dict(pretrained.encoder.state_dict())
    return network


def train_classifier(
    settings: Settings, labelled: Dataset, test: Dataset, pretrained: Autoencoder | None, *, seed: int = 0, device: str = "cpu",
    folder: Path | str | None = None, resume: bool = False, show: bool = False,
) -> Run:  # fmt: skip
    """A classifier trained on `labelled`. "frozen": only the head learns. "fine-tuned": all, from the pre-trained encoder.

    "from scratch": all, from fresh weights. "head first": the head alone for half of the steps, then all. The history is the last
    stage's. Raises ValueError for another regime or without labels.
    """
    network = build(settings, labelled.images.shape[1:], seed, pretrained)
    same = {"seed": seed, "device": device, "show": show, "title": f"classifier, {settings.regime}"}
    frozen, share = settings.regime == "frozen", 1.0
    if settings.regime == "head first":
        share = 0.5
        if not resume:  # a checkpoint of the second half has it inside
            first = ClassifierTask(network, labelled, test, frozen=True, device=device)
            fit(first, settings.budget(len(labelled), share), **same)
    task = ClassifierTask(network, labelled, test, frozen=frozen, device=device)
    history = fit(task, settings.budget(len(labelled), share), folder=folder, resume=resume, **same)
    return Run(network.cpu().eval(), history, settings, seed)


def run(
    settings: Settings, *, train: Dataset, test: Dataset, seed: int = 0, device: str = "cpu",
    folder: Path | str | None = None, resume: bool = False, show: bool = True,
) -> Run:  # fmt: skip
    """Pre-train an autoencoder on all training images without labels, then train a classifier on `settings.labels` of them."""
    before, pretrained = None if folder is None else Path(folder) / "pretraining", None
    if settings.regime != "from scratch":
        begun = before is not None and (before / "checkpoint.pt").exists()
        where = {"seed": seed, "device": device, "folder": before, "resume": begun, "show": show}
        pretrained = sweep.run(settings.pretraining, train=train, test=test, **where).network
    where = {"seed": seed, "device": device, "folder": folder, "resume": resume, "show": show}
    return train_classifier(settings, labelled_subset(settings, train, seed), test, pretrained, **where)


def scores(network: Classifier, settings: Settings, train: Dataset, test: Dataset) -> dict[str, float]:
    """Accuracy on the test set, and that of ten nearest neighbours among the encoder's codes."""
    return {"accuracy": accuracy(network.cpu(), test), "10 neighbours among codes": neighbours_of(network.encoder, train, test)}


def compare(
    settings: Settings, pretrained: Autoencoder, train: Dataset, test: Dataset, *, show: bool = True,
    regimes: Sequence[str] = REGIMES,
) -> list[dict]:  # fmt: skip
    """Every regime with every number of labels and every seed, several at a time. A seed draws the labels and the head."""
    cells = [replace(settings, regime=r, labels=n) for n in sorted(settings.counts, reverse=True) for r in regimes]
    cells = in_parallel(best_rate, [(cell, pretrained, train) for cell in cells], title="learning rates", show=show)
    jobs = [(cell, seed, pretrained, train, test) for cell in cells for seed in settings.seeds]
    return in_parallel(outcome, jobs, title=f"{len(jobs)} classifiers", show=show)


def outcome(settings: Settings, seed: int, pretrained: Autoencoder, train: Dataset, test: Dataset) -> dict:
    """One training in numbers: accuracy at the end and at each check, how well it fits, and what became of the encoder.

    "first gradient" is the gradient's norm at the first convolution over that at the last layer, before the first step;
    "neighbours" the accuracy of ten neighbours among the trained encoder's codes.
    """
    labelled = labelled_subset(settings, train, seed)
    done = train_classifier(settings, labelled, test, pretrained, seed=seed)
    losses, checks = done.history.batches["loss"], done.history.epochs["accuracy"]
    tail = losses[-max(1, len(losses) // 10) :]
    return {
        "regime": settings.regime, "labels": settings.labels, "seed": seed, "rate": settings.rate,
        "accuracy": checks[-1], "checks": checks, "train loss": sum(tail) / len(tail),
        "first gradient": gradient_ratio(build(settings, train.images.shape[1:], seed, pretrained), labelled),
        "neighbours": neighbours_of(done.network.encoder, train, test),
    }  # fmt: skip


def best_rate(settings: Settings, pretrained: Autoencoder, train: Dataset) -> Settings:
    """The settings with the rate that is best on held-out images, tried with half of the steps and a seed of its own."""
    if len(settings.rates) == 1:
        return replace(settings, rate=settings.rates[0])
    held, known = train.holdout(settings.held_out, seed=0)[1], labelled_subset(settings, train, 99)
    offered = [replace(settings, rate=rate, steps=settings.steps // 2, checks=1) for rate in settings.rates]
    found = [train_classifier(one, known, held, pretrained, seed=99).history.epochs["accuracy"][-1] for one in offered]
    return replace(settings, rate=settings.rates[found.index(max(found))])


def labelled_subset(settings: Settings, train: Dataset, seed: int) -> Dataset:
    """`settings.labels` training images with equal class shares, drawn by the seed from those that are not held out."""
    if settings.labels < 2:
        raise ValueError(f"{settings.labels} labelled images: there is nothing to learn from. Choose at least one per class.")
    rest = train.holdout(settings.held_out, seed=0)[0] if settings.held_out else train
    return rest.sample(settings.labels, seed=1 + seed)


def judge(settings: Settings, train: Dataset, test: Dataset, seed: int = 0) -> Classifier:
    """A classifier trained from scratch on all originals: it tells whether a made-up image is recognised."""
    longer = replace(settings, regime="from scratch", steps=2 * settings.steps, checks=1)
    return train_classifier(longer, train, test, None, seed=seed).network


def accuracy(classifier: Classifier, test: Dataset) -> float:
    """Share of the test images that it names rightly."""
    return float((recognise(classifier, to_float(test.images)).argmax(1) == test.labels).float().mean())


@torch.no_grad()
def recognise(classifier: Classifier, images: Tensor) -> Tensor:
    """Class probabilities of float images in [0, 1]; (n, c, h, w) → (n, classes)."""
    return torch.cat([classifier(part).softmax(1) for part in images.split(1000)])


def neighbours_of(encoder: nn.Module | None, train: Dataset, test: Dataset) -> float:
    """Accuracy of ten nearest neighbours among an encoder's codes, or, without one, among raw pixels; at most 5,000 of 2,000."""
    parts = train.first(min(len(train), 5000)), test.first(min(len(test), 2000))
    y, y_test = (pixels(p.images) if encoder is None else represent(encoder, p.images, precision="float32") for p in parts)
    return knn_accuracy(y, parts[0].labels, y_test, parts[1].labels, k=10, metric="euclidean")


def gradient_ratio(network: Classifier, labelled: Dataset) -> float:
    """Norm of the loss's gradient at the first convolution, over that at the head's last layer."""
    some = labelled.first(min(len(labelled), 256))
    F.cross_entropy(network(to_float(some.images)), some.labels).backward()
    return float(network.encoder[0].weight.grad.norm() / network.head[-1].weight.grad.norm())
