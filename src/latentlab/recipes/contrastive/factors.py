"""What a representation of `coloured_shapes` keeps of shape, colour and location, without training anything on top."""

import torch
import torch.nn.functional as F
from torch import Tensor

from latentlab.data import Dataset
from latentlab.evaluation import neighbours

FACTORS = ("shape", "colour", "location")


def shares(base: Dataset, queries: Dataset, found: Tensor) -> dict[str, float]:
    """Share of the images `found` in the base, indices (m, k), that have the query's shape, colour, location.

    Locations are the same if the figure stands on the same place of the grid or on one of the eight around it.
    """
    names = ("row", "column", *FACTORS[:2])
    apart = {name: (base.factors[name][found] - queries.factors[name][:, None]).abs() for name in names}  # (m, k) each
    alike = {name: apart[name] == 0 for name in FACTORS[:2]}
    alike["location"] = torch.maximum(apart["row"], apart["column"]) <= 1
    return {name: float(hits.float().mean()) for name, hits in alike.items()}


def agreement(base_y: Tensor, base: Dataset, y: Tensor, queries: Dataset, k: int = 5) -> dict[str, float]:
    """`shares` of the k nearest by angle, base_y (n, d) and y (m, d); an image is no neighbour of itself."""
    return shares(base, queries, neighbours(y, base_y, k, exclude_self=base is queries)[1])


def chance(base: Dataset, queries: Dataset) -> dict[str, float]:
    """What `agreement` gives for neighbours drawn blindly: all base images count alike."""
    return shares(base, queries, torch.arange(len(base)).expand(len(queries), -1))


def sensitivity(y: Tensor, data: Dataset, seed: int = 0, pairs: int = 4000) -> dict[str, float]:
    """How far y (n, d), brought to length 1, goes when ONE factor changes; 0: not at all, 1: as far as to any image.

    E‖y − y′‖² over pairs of images that differ in this factor alone, divided by the same over random pairs.
    """
    y, place = F.normalize(y, dim=1), torch.stack([data.factors[name] for name in FACTORS], 1)  # (n, d), (n, 3)
    sizes = place.amax(0) + 1  # (3,)
    which = torch.full(tuple(sizes.tolist()), -1)  # the image of each shape, colour, location; −1: not in this split
    which[tuple(place.T)] = torch.arange(len(y))
    generator = torch.Generator().manual_seed(seed)
    first = torch.randint(len(y), (pairs,), generator=generator)  # (pairs,)
    drawn = (torch.rand(pairs, 3, generator=generator) * sizes).long()  # (pairs, 3)

    def distance(changed: Tensor) -> float:
        second = which[tuple(torch.where(changed, drawn, place[first]).T)]  # (pairs,)
        kept = (second >= 0) & (second != first)
        return float((y[first[kept]] - y[second[kept]]).square().sum(1).mean())

    every = distance(torch.ones(3, dtype=torch.bool))
    return {name: distance(torch.arange(3) == axis) / every for axis, name in enumerate(FACTORS)}
