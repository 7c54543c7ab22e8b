"""VICReg with one thing changed: a term left out, the augmentation left out, another image as the second view."""

from dataclasses import dataclass, replace

import torch
from sklearn.linear_model import Ridge
from torch import Tensor, nn
from torch.nn import functional as F

from latentlab.data import Dataset
from latentlab.evaluation import effective_rank, linear_probe, neighbours
from latentlab.losses import VICRegWeights
from latentlab.losses import vicreg as vicreg_loss
from latentlab.training import Budget
from latentlab.training.loop import generator_for

from ..represent import represent
from . import pretraining as vicreg

PARTNERS = ("same", "neighbour", "random", "class")
SEEDS = (0, 1, 2)
TOP = 3  # partners an image has; one of them is drawn in every step


@dataclass(frozen=True)
class Variant:
    """What differs from plain VICReg."""

    words: str
    augment: bool = True  # False: the views are the images themselves
    partner: str = "same"  # whose second view: the image's own, a neighbour's, a random image's, one of the same class
    variance: float = 25.0  # μ, the weight of the variance term
    covariance: float = 1.0  # ν, the weight of the covariance term
    control: bool = False  # says which explanation holds; its effect is far larger than the spread over seeds


VARIANTS: dict[str, Variant] = {
    "vicreg": Variant("VICReg"),
    "no-variance": Variant("no variance term", variance=0.0),
    "no-covariance": Variant("no covariance term", covariance=0.0, control=True),
    "ngn": Variant("a neighbour, plain (NGN)", augment=False, partner="neighbour"),  # "no generated neighbours"
    "augmented-neighbour": Variant("a neighbour, augmented", partner="neighbour", control=True),
    "image-itself": Variant("the picture itself, plain", augment=False, control=True),
    "random-partner": Variant("a random picture, plain", augment=False, partner="random", control=True),
    # an oracle: it looks at labels
    "class-partner": Variant("one of its class, plain", augment=False, partner="class", control=True),
}

# Smaller than the presets of `vicreg`, because an ablation trains many networks. The budget is in epochs, so that a busy machine
# trains as much as an idle one.
PRESETS: dict[str, vicreg.Settings] = {
    "quick": vicreg.Settings(widths=(24, 64, 96, 128), budget=Budget(epochs=10, batch=128)),
    "cpu": replace(vicreg.PRESETS["cpu"], budget=replace(vicreg.PRESETS["cpu"].budget, epochs=4, minutes=None)),
    "gpu": vicreg.PRESETS["gpu"],
}
# On how many images a variant is read, and how large they are; in "quick" as large as the views that trained it.
READ = {"quick": (2000, 1000, 20), "cpu": (50_000, 10_000, 32), "gpu": (50_000, 10_000, 32)}


def _known(name: str, preset: str) -> None:
    for value, known, what in ((name, VARIANTS, "variant"), (preset, PRESETS, "preset")):
        if value not in known:
            raise ValueError(f"There is no {what} {value!r}; there is {', '.join(known)}.")


def seeds(name: str, preset: str) -> tuple[int, ...]:
    """The seeds of a variant's networks: three, but one for controls on real data, where a training takes minutes."""
    _known(name, preset)
    return SEEDS[:1] if VARIANTS[name].control and preset != "quick" else SEEDS


def settings(name: str, preset: str) -> vicreg.Settings:
    """The settings of a variant. Raises ValueError for an unknown variant or preset."""
    _known(name, preset)
    chosen, variant = PRESETS[preset], VARIANTS[name]
    weights = VICRegWeights(variance=variant.variance, covariance=variant.covariance)
    views = chosen.views if variant.augment else ("none" if chosen.views == "exercise" else "none-20")
    return replace(chosen, views=views, weights=weights)


def partners(kind: str, train: Dataset, y: Tensor | None = None, *, seed: int = 0, k: int = TOP) -> Tensor | None:
    """Each image's k candidates for the second view: (n, k) indices into train, None for "same".

    "neighbour": the k nearest other images by the L2 distance of the representations y (n, d); "random": k images from all;
    "class": k images of the same class. Raises ValueError for another kind, or neighbours without y.
    """
    if kind == "same":
        return None
    n, generator = len(train), generator_for(seed, 7)
    if kind == "random":
        return torch.randint(n, (n, k), generator=generator)  # (n, k)
    if kind == "class":
        return same_class(train.labels, k, generator)
    if kind == "neighbour" and y is not None:
        return neighbours(y, y, k, metric="euclidean", exclude_self=True)[1]  # (n, k)
    if kind == "neighbour":
        raise ValueError("Neighbours are found in representations: give y (n, d), from a trained encoder.")
    raise ValueError(f"There is no partner {kind!r}; there is {', '.join(PARTNERS)}.")


def same_class(labels: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """k random images of every image's own class: labels (n,) → (n, k)."""
    table = torch.empty(len(labels), k, dtype=torch.int64)  # (n, k)
    for value in labels.unique():
        members = (labels == value).nonzero()[:, 0]  # (m,)
        table[members] = members[torch.randint(len(members), (len(members), k), generator=generator)]  # (m, k)
    return table


def agreement(table: Tensor, labels: Tensor) -> float:
    """Share of partners that have the class of their image, in [0, 1]; table (n, k), labels (n,)."""
    return float((labels[table] == labels[:, None]).float().mean())


def at_size(data: Dataset, side: int) -> Dataset:
    """The same images, square with that side; (n, c, h, w) → (n, c, side, side) uint8."""
    if data.images.shape[-1] == side:
        return data
    small = F.interpolate(data.images.float(), (side, side), mode="bilinear", antialias=True)  # (n, c, side, side)
    return replace(data, images=small.round().clamp(0, 255).byte(), digest="")


def reading_sets(train: Dataset, test: Dataset, preset: str, seed: int = 0) -> tuple[Dataset, Dataset]:
    """The images on which variants are read: a sample of the training set, and the first of the test set."""
    known, unseen, side = READ[preset]
    return at_size(train.sample(known, seed), side), at_size(test.first(unseen), side)


def read(encoder: nn.Module, known: Dataset, unseen: Dataset) -> dict[str, float | Tensor]:
    """What an encoder's representations are worth: "y" (n, d) of the known images, "y_test" (m, d) of the unseen ones.

    Of these: the ten-epoch "probe" in percent, the effective "rank", and "near": how many of the three nearest share the class.
    """
    y, y_test = represent(encoder, known.images), represent(encoder, unseen.images)
    probe = linear_probe(y, known.labels, y_test, unseen.labels).percent
    found = {"y": y, "y_test": y_test, "probe": probe, "rank": effective_rank(y_test)}
    return found | {"near": purity(y_test, unseen.labels)}


def purity(y: Tensor, labels: Tensor, metric: str = "euclidean") -> float:
    """Share of the three nearest other rows of y (n, d) that have the row's own label (n,), in percent."""
    return 100 * agreement(neighbours(y, y, TOP, metric=metric, exclude_self=True)[1], labels)


def linearly_told(y: Tensor, values: Tensor, y_other: Tensor, others: Tensor) -> float:
    """Share of the variance of others (m, c) that a linear layer tells from y_other (m, d), fitted on y (n, d) and values (n, c).

    Ridge regression on standardised coordinates; at most 1, and 0 for what the mean tells.
    """
    middle, width = y.mean(0), y.std(0).clamp_min(1e-6)
    model = Ridge(alpha=1e-3 * len(y)).fit(((y - middle) / width).double().numpy(), values.double().numpy())
    left = others.double() - torch.from_numpy(model.predict(((y_other - middle) / width).double().numpy()))  # (m, c)
    return float(1 - left.square().sum() / (others - others.mean(0)).square().sum())


def scale_pull(z1: Tensor, z2: Tensor, weights: VICRegWeights) -> Tensor:
    """How the loss changes when a coordinate of z1, z2 (b, d) is stretched; (d,). Negative: the loss wants it wider.

    The slope by t_j at 0 of the loss of z·exp(t): what each coordinate's spread is pushed to, whatever its direction.
    """
    t = torch.zeros(z1.shape[1], dtype=z1.dtype, requires_grad=True)
    return torch.autograd.grad(vicreg_loss(z1 * t.exp(), z2 * t.exp(), weights)["loss"], t)[0]


def whitener(y: Tensor, directions: int | None = None, least: float = 1e-4) -> Tensor:
    """The matrix (d, kept) that gives the principal directions of y (n, d) one spread: the first few, or all above `least`.

    `least` is a share of the widest direction's spread: what is narrower is rounding noise.
    """
    _, s, v = torch.linalg.svd(y - y.mean(0), full_matrices=False)
    kept = min(directions or len(s), int((s > least * s[0]).sum()))
    return v[:kept].T / s[:kept] * len(y) ** 0.5  # (d, kept)
