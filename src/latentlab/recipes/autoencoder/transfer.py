"""What a pre-trained encoder is worth with few labels: frozen, fine-tuned, from scratch, or the head first and then all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from latentlab.data import Dataset, to_float
from latentlab.evaluation import knn_accuracy
from latentlab.losses import reconstruction_error
from latentlab.models import Autoencoder
from latentlab.training import Budget, fit
from latentlab.training.loop import generator_for
from latentlab.training.many import in_parallel

from ..represent import pixels, represent
from .sweep import Model, build, splits

REGIMES = ("frozen", "fine-tuned", "from scratch", "head first")


@dataclass(frozen=True)
class Settings:
    """Everything that decides the comparison but the pre-trained encoder."""

    data: str = "digits"
    counts: tuple[int, ...] = (20, 200, 1400)  # labels
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = 150  # of every training, whatever the number of labels
    checks: int = 10  # how often the test accuracy is taken on the way
    check_images: int = 360  # on the first so many test images; the last accuracy is on all
    rates: tuple[float, ...] = (3e-3,)  # learning rates; with more than one, the best on held-out images is taken for each regime
    held_out: int = 0  # labelled images for that choice
    batch: int = 64
    early_steps: int = 40  # how long the first moments of fine-tuning are watched


_MNIST = Settings(
    data="mnist", counts=(20, 100, 500, 2000, 5000, 20000), steps=1000, check_images=2000, rates=(1e-3, 3e-3), held_out=2000
)
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


@dataclass(frozen=True)
class Outcome:
    """One training: test accuracy at the end and on the way, and what became of the encoder. Accuracies in [0, 1]."""

    regime: str
    labels: int
    seed: int
    accuracy: float
    course: tuple[float, ...]  # test accuracy at each check
    train_loss: float  # cross-entropy over the last tenth of the steps
    first_gradient: float  # norm of the gradient of the first convolution over that of the last layer, at the first steps
    probe: float  # accuracy of 10 neighbours on the encoder's codes, which no label of the training set has fitted
    rate: float  # the learning rate taken


class ClassifierTask:
    """Cross-entropy on `labelled` images, drawn so often that one epoch of the loop is the time between two checks.

    They come in shuffled rounds, so that every label is seen equally often. A frozen encoder's codes are computed once.
    Raises ValueError without labels.
    """

    def __init__(self, network: Classifier, labelled: Dataset, test: Dataset, settings: Settings, *, frozen: bool, seed: int):
        if len(labelled) == 0:
            raise ValueError("There are no labelled images to learn from: give at least one per class.")
        self.network, self.frozen = network, frozen
        self.module = network.head if frozen else network
        self.images, self.labels, self.test = labelled.images, labelled.labels, test.first(min(len(test), settings.check_images))
        self.samples = max(1, settings.steps // max(1, settings.checks)) * settings.batch
        rounds = -(-settings.steps * settings.batch // len(labelled))
        orders = [torch.randperm(len(labelled), generator=generator_for(seed, 7, r)) for r in range(rounds)]
        self.order, self.drawn = torch.cat(orders), 0
        if frozen:
            self.codes, self.test_codes = (
                represent(network.encoder, images, precision="float32") for images in (self.images, self.test.images)
            )

    def terms(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        picked = self.order[torch.arange(self.drawn, self.drawn + len(indices)) % len(self.order)]  # (b,)
        self.drawn += len(indices)
        logits = self.network.head(self.codes[picked]) if self.frozen else self.network(to_float(self.images[picked]))
        return {"loss": F.cross_entropy(logits, self.labels[picked])}

    def test_terms(self, generator: torch.Generator) -> dict[str, Tensor]:
        logits = self.network.head(self.test_codes) if self.frozen else _logits(self.network, self.test.images)
        return {"accuracy": (logits.argmax(1) == self.test.labels).float().mean()}


def train_classifier(
    regime: str, labelled: Dataset, test: Dataset, pretrained: Autoencoder, settings: Settings, *, rate: float, seed: int = 0
) -> tuple[Classifier, list[float], list[float]]:
    """A classifier trained in one of the REGIMES; returns it with the losses of its batches and its accuracy at each check.

    "frozen": only the head learns. "fine-tuned": all parameters, from the pre-trained encoder. "from scratch": all, from fresh
    weights. "head first": the head alone for the first half of the steps, then all.
    Raises ValueError for another regime or an empty set of labels.
    """
    if regime not in REGIMES:
        raise ValueError(f"There is no regime {regime!r}; choose {', '.join(REGIMES)}.")
    network = _classifier(regime, pretrained, len(labelled.classes), seed)
    half = replace(settings, steps=settings.steps // 2, checks=max(1, settings.checks // 2))
    stages = {"frozen": [(True, settings)], "head first": [(True, half), (False, half)]}.get(regime, [(False, settings)])
    losses, course = [], []
    for number, (frozen, part) in enumerate(stages):
        task = ClassifierTask(network, labelled, test, part, frozen=frozen, seed=100 * seed + number)
        history = fit(task, _budget(part, rate), seed=seed, show=False)
        losses += history.batches["loss"]
        course += history.epochs["accuracy"]
    return network.eval(), losses, course


def compare(
    pretrained: Autoencoder, settings: Settings, *, show: bool = True, regimes: Sequence[str] = REGIMES
) -> list[Outcome]:
    """Every regime with every number of labels and every seed, several at a time. A seed draws the labels and the head."""
    jobs = [
        (regime, count, seed, pretrained, settings)
        for count in sorted(settings.counts, reverse=True)
        for seed in settings.seeds
        for regime in regimes
    ]
    return in_parallel(_outcome, jobs, title=f"{len(jobs)} classifiers", show=show)


def first_moments(
    pretrained: Autoencoder, settings: Settings, count: int, seed: int = 0, every: int = 5
) -> dict[str, list[float]]:
    """The first steps of fine-tuning, watched: what a still ignorant head does to the encoder. Lists of one value per check.

    "steps" of the training, "reconstruction" error through the decoder as it was, accuracy of 10 "neighbours" among the codes.
    """
    (train, test), known = splits(settings.data), labelled_subset(settings, count, seed)
    base, some = train.first(min(len(train), 2000)), test.first(min(len(test), 1000))
    network = _classifier("fine-tuned", pretrained, len(known.classes), seed)
    seen: dict[str, list[float]] = {"steps": [], "reconstruction": [], "neighbours": []}

    def look(seconds: float = 0.0) -> None:
        codes = represent(network.encoder, some.images, precision="float32")
        with torch.no_grad():
            error = reconstruction_error(pretrained.decode(codes), to_float(some.images))
        seen["steps"].append(every * len(seen["steps"]))
        seen["reconstruction"].append(float(error))
        seen["neighbours"].append(_neighbours(network.encoder, base, some))

    look()
    # the rate is that of the whole training's beginning, held up by a schedule as long as the training
    watched = replace(settings, checks=settings.steps // every, check_images=1)
    task = ClassifierTask(network, known, test, watched, frozen=False, seed=seed)
    budget = replace(_budget(watched, max(settings.rates)), epochs=settings.early_steps / every, warmup=0.0)
    fit(task, budget, seed=seed, show=False, after_epoch=look)
    return seen


def judge(settings: Settings, *, count: int | None = None, seed: int = 0) -> Classifier:
    """A classifier trained from scratch on originals (default: all there are): it tells whether a made-up image is recognised."""
    train, test = splits(settings.data)
    labelled = train if count is None else labelled_subset(settings, count, seed)
    blank = build(Model(32, seed=seed), train.images.shape[1], train.images.shape[2])
    longer = replace(settings, steps=2 * settings.steps, checks=1)
    return train_classifier("from scratch", labelled, test, blank, longer, rate=max(settings.rates), seed=seed)[0]


def accuracy(classifier: Classifier, test: Dataset) -> float:
    """Share of the test images that it names rightly."""
    return float((_logits(classifier, test.images).argmax(1) == test.labels).float().mean())


def recognise(classifier: Classifier, images: Tensor) -> Tensor:
    """Class probabilities of float images in [0, 1]; (n, c, h, w) → (n, classes)."""
    with torch.no_grad():
        return torch.cat([classifier(part).softmax(1) for part in images.split(1000)])


def neighbours_of(encoder: nn.Module | None, settings: Settings) -> float:
    """Accuracy of ten nearest neighbours among an encoder's codes, or, without one, among raw pixels."""
    train, test = splits(settings.data)
    return _neighbours(encoder, train.first(min(len(train), 5000)), test.first(min(len(test), 2000)))


def labelled_subset(settings: Settings, count: int, seed: int) -> Dataset:
    """`count` training images with equal class shares, drawn by the seed from those that are not held out."""
    if count < 1:
        raise ValueError(f"{count} labelled images: there is nothing to learn from. Choose at least one per class.")
    train = splits(settings.data)[0]
    rest = train.holdout(settings.held_out, seed=0)[0] if settings.held_out else train
    return rest.sample(count, seed=1 + seed)


def _outcome(regime: str, count: int, seed: int, pretrained: Autoencoder, settings: Settings) -> Outcome:
    (train, test), labelled = splits(settings.data), labelled_subset(settings, count, seed)
    rate = _best_rate(regime, labelled, count, pretrained, settings)
    network, losses, course = train_classifier(regime, labelled, test, pretrained, settings, rate=rate, seed=seed)
    tail = losses[-max(1, len(losses) // 10) :]
    ratio = _gradient_ratio(_classifier(regime, pretrained, len(train.classes), seed), labelled)
    return Outcome(
        regime, count, seed, accuracy(network, test), tuple(course), sum(tail) / len(tail), ratio,
        neighbours_of(network.encoder, settings), rate,
    )  # fmt: skip


def _best_rate(regime: str, labelled: Dataset, count: int, pretrained: Autoencoder, settings: Settings) -> float:
    """The learning rate with the best accuracy on held-out images, chosen with half the steps and a seed of its own."""
    if len(settings.rates) == 1:
        return settings.rates[0]
    held = splits(settings.data)[0].holdout(settings.held_out, seed=0)[1]
    short = replace(settings, steps=settings.steps // 2, checks=1, check_images=len(held))
    scores = [train_classifier(regime, labelled, held, pretrained, short, rate=r, seed=99)[2][-1] for r in settings.rates]
    return settings.rates[scores.index(max(scores))]


def _classifier(regime: str, pretrained: Autoencoder, classes: int, seed: int) -> Classifier:
    """A fresh head on a copy of the pre-trained encoder, or on a fresh one; the global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1000 + seed)
        channels, size, _ = pretrained.shape
        form = {"depth": pretrained.depth, "activation": pretrained.activation}
        fresh = Autoencoder(pretrained.dim, channels=channels, size=size, **form)
        network = Classifier(fresh.encoder, classes)
    if regime != "from scratch":
        network.encoder.load_state_dict(pretrained.encoder.state_dict())
    return network


def _gradient_ratio(network: Classifier, labelled: Dataset) -> float:
    """Norm of the loss's gradient at the first convolution, over that at the head's last layer, before the first step."""
    some = labelled.first(min(len(labelled), 256))
    F.cross_entropy(network(to_float(some.images)), some.labels).backward()
    return float(network.encoder[0].weight.grad.norm() / network.head[-1].weight.grad.norm())


def _neighbours(encoder: nn.Module | None, base: Dataset, test: Dataset) -> float:
    first, second = (
        pixels(part.images) if encoder is None else represent(encoder, part.images, precision="float32") for part in (base, test)
    )
    return knn_accuracy(first, base.labels, second, test.labels, k=10, metric="euclidean")


def _logits(network: Classifier, images: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([network(to_float(part)) for part in images.split(1000)])


def _budget(settings: Settings, rate: float) -> Budget:
    return Budget(
        epochs=settings.checks, batch=settings.batch, learning_rate=rate, weight_decay=0.0, precision="float32", warmup=0.05
    )
