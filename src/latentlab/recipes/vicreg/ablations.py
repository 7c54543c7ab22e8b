"""VICReg with one thing changed: a term left out, the augmentation left out, another image as the second view."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from latentlab.data import Dataset
from latentlab.evaluation import neighbours
from latentlab.losses import VICRegWeights
from latentlab.training.loop import generator_for

from . import pretraining as vicreg

PARTNERS = ("same", "neighbour", "random", "class")
SEEDS = (0, 1, 2)
TOP = 3  # partners an image has; one of them is drawn in every step


@dataclass(frozen=True)
class Variant:
    """What differs from plain VICReg."""

    augment: bool = True  # False: the views are the images themselves
    partner: str = "same"  # whose second view: the image's own, a neighbour's, a random image's, one of the same class
    variance: float = 25.0  # μ, the weight of the variance term
    covariance: float = 1.0  # ν, the weight of the covariance term
    control: bool = False  # says which explanation holds; its effect is far larger than the spread over seeds


VARIANTS: dict[str, Variant] = {
    "vicreg": Variant(),
    "no-variance": Variant(variance=0.0),
    "ngn": Variant(augment=False, partner="neighbour"),  # the coursework's "no generated neighbours"
    "no-covariance": Variant(covariance=0.0, control=True),
    "augmented-neighbour": Variant(partner="neighbour", control=True),
    "image-itself": Variant(augment=False, control=True),
    "random-partner": Variant(augment=False, partner="random", control=True),
    "class-partner": Variant(augment=False, partner="class", control=True),  # an oracle: it looks at labels
}

# Smaller than the presets of `vicreg`, because an ablation trains many networks: a quarter of a minute each in "quick", one and a
# half in "cpu". The budget is in epochs, so that a busy machine trains as much as an idle one.
_quick, _cpu, _gpu = (vicreg.PRESETS[name] for name in ("quick", "cpu", "gpu"))
PRESETS: dict[str, vicreg.Settings] = {
    "quick": replace(_quick, widths=(24, 64, 96, 128)),
    "cpu": replace(_cpu, budget=replace(_cpu.budget, epochs=4, minutes=None)),
    "gpu": _gpu,
}


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
