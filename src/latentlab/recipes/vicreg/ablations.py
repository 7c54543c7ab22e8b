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

from ..contract import preset as preset_of
from ..represent import represent
from . import pretraining as vicreg

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
    "class-partner": Variant("one of its class, plain", augment=False, partner="class", control=True),  # sees labels
}

# Smaller than those of `vicreg`, as there are many; in epochs, so that a busy machine trains as much as an idle one.
PRESETS = {
    "gpu": vicreg.PRESETS["gpu"],
    "quick": vicreg.Settings(widths=(24, 64, 96, 128), budget=Budget(epochs=10, batch=128)),
    "cpu": replace(vicreg.PRESETS["cpu"], budget=replace(vicreg.PRESETS["cpu"].budget, epochs=4, minutes=None)),
}
# On how many images a variant is read, and how large they are; in "quick" as large as the views that trained it.
READ = {"quick": (2000, 1000, 20), "cpu": (50_000, 10_000, 32), "gpu": (50_000, 10_000, 32)}


def seeds(name: str, preset: str) -> tuple[int, ...]:
    """The seeds of a variant's networks: three, but one for controls on real data, where a training takes minutes."""
    return SEEDS[:1] if VARIANTS[name].control and preset != "quick" else SEEDS


def settings(name: str, preset: str) -> vicreg.Settings:
    """The settings of a variant. Raises ValueError for an unknown variant or preset."""
    if name not in VARIANTS:
        raise ValueError(f"There is no variant {name!r}; there is {', '.join(VARIANTS)}.")
    variant, chosen = VARIANTS[name], preset_of("ablations", preset)
    weights = VICRegWeights(variance=variant.variance, covariance=variant.covariance)
    views = chosen.views if variant.augment else ("none" if chosen.views == "exercise" else "none-20")
    return replace(chosen, views=views, weights=weights)


def partners(kind: str, train: Dataset, y: Tensor | None = None, *, seed: int = 0, k: int = TOP) -> Tensor | None:
    """Each image's k candidates for the second view: (n, k) indices into train, None for "same".

    "neighbour": the nearest other images by the L2 distance of y (n, d); "random": any; "class": some of its own.
    """
    n, generator, table = len(train), generator_for(seed, 7), None
    if kind == "random":
        table = torch.randint(n, (n, k), generator=generator)  # (n, k)
    elif kind == "neighbour" and y is not None:
        table = neighbours(y, y, k, metric="euclidean", exclude_self=True)[1]  # (n, k)
    elif kind == "class":
        table = torch.empty(n, k, dtype=torch.int64)  # (n, k)
        for value in train.labels.unique():
            members = (train.labels == value).nonzero()[:, 0]  # (m,)
            table[members] = members[torch.randint(len(members), (len(members), k), generator=generator)]  # (m, k)
    elif kind != "same":
        raise ValueError(f"There is no partner {kind!r}; there is same, random, class, and neighbour if you give y.")
    return table


def agreement(table: Tensor, labels: Tensor) -> float:
    """Share of partners that have the class of their image, in [0, 1]; table (n, k), labels (n,)."""
    return float((labels[table] == labels[:, None]).float().mean())


def at_size(data: Dataset, side: int) -> Dataset:
    """The same images, square with that side; (n, c, h, w) → (n, c, side, side) uint8."""
    if data.images.shape[-1] == side:
        return data
    small = F.interpolate(data.images.float(), (side, side), mode="bilinear", antialias=True)  # (n, c, side, side)
    return replace(data, images=small.round().clamp(0, 255).byte())


def reading_sets(train: Dataset, test: Dataset, preset: str) -> tuple[Dataset, Dataset]:
    """The images on which variants are read: a sample of the training set, and the first of the test set."""
    known, unseen, side = READ[preset]
    return at_size(train.sample(known, 0), side), at_size(test.first(unseen), side)


def read(encoder: nn.Module, known: Dataset, unseen: Dataset) -> dict[str, float | Tensor]:
    """Representations "y" (n, d), "y_test" (m, d), their "probe" in percent, effective "rank" and "near": `purity`."""
    y, y_test = represent(encoder, known.images), represent(encoder, unseen.images)
    probe, near = linear_probe(y, known.labels, y_test, unseen.labels).percent, purity(y_test, unseen.labels)
    return {"y": y, "y_test": y_test, "probe": probe, "rank": effective_rank(y_test), "near": near}


def purity(y: Tensor, labels: Tensor, metric: str = "euclidean") -> float:
    """Share of the three nearest other rows of y (n, d) that have the row's own label (n,), in percent."""
    return 100 * agreement(neighbours(y, y, TOP, metric=metric, exclude_self=True)[1], labels)


def linearly_told(y: Tensor, values: Tensor, y_other: Tensor, others: Tensor) -> float:
    """Share of the variance of others (m, c) that ridge regression of values (n, c) on y (n, d) tells from y_other."""
    middle, width = y.mean(0), y.std(0).clamp_min(1e-6)
    x, x_other = (((rows - middle) / width).double().numpy() for rows in (y, y_other))
    model = Ridge(alpha=1e-3 * len(y)).fit(x, values.double().numpy())
    left = others.double() - torch.from_numpy(model.predict(x_other)).view_as(others)  # (m, c)
    return float(1 - left.square().sum() / (others - others.mean(0)).square().sum())


def scale_pull(z1: Tensor, z2: Tensor, weights: VICRegWeights) -> Tensor:
    """How the loss changes when a coordinate of z1, z2 (b, d) is stretched; (d,). Negative: the loss wants it wider."""
    # ∂/∂t_j loss(z·exp(t)) at t = 0
    t = torch.zeros(z1.shape[1], dtype=z1.dtype, requires_grad=True)
    return torch.autograd.grad(vicreg_loss(z1 * t.exp(), z2 * t.exp(), weights)["loss"], t)[0]


def whitener(y: Tensor, directions: int | None = None) -> Tensor:
    """The matrix (d, kept) that gives the principal directions of y (n, d) one spread: the first few, or all."""
    _, s, v = torch.linalg.svd(y - y.mean(0), full_matrices=False)
    kept = min(directions or len(s), int((s > 1e-4 * s[0]).sum()))  # narrower ones are rounding noise
    return v[:kept].T / s[:kept] * len(y) ** 0.5  # (d, kept)
