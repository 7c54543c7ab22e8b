"""Laplacian eigenmaps of pictures: which, how many, and the fixed random network they pass first."""

from dataclasses import dataclass

import torch
from torch import Tensor

from latentlab.data import to_float
from latentlab.data.dataset import stratified
from latentlab.models.random_cnn import RandomCNN


@dataclass(frozen=True)
class Settings:
    """Everything that decides a set of eigenmap codes but the seed."""

    data: str = "shapes10"
    images: int = 3000
    dim: int = 128
    neighbours: int = 10


PRESETS = {
    "quick": Settings(),  # three seconds on two cores
    "cpu": Settings(data="cifar10", images=10_000),  # the report's size: ten seconds
    "gpu": Settings(data="cifar10", images=10_000),  # nothing here runs on a GPU
}


@torch.no_grad()
def random_features(images: Tensor, seed: int = 0, *, batch: int = 500) -> Tensor:
    """Features of a fixed random linear network, `models.random_cnn.RandomCNN`; uint8 (n, c, h, w) → float32 (n, features).

    32×32 images give 1024 features. The same seed gives the same network.
    """
    network = RandomCNN(images.shape[1], seed)
    return torch.cat([network(to_float(part)) for part in images.split(batch)])  # (n, features)


def split(labels: Tensor, share: float = 0.1, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Rows (train, test): every class gives the same share to the m test rows; labels (n,) → (n − m,), (m,)."""
    if not 0 < share < 1:
        raise ValueError(f"share is the part held out, between 0 and 1, got {share}.")
    test = stratified(labels, round(share * len(labels)), seed)  # (m,)
    held = torch.zeros(len(labels), dtype=torch.bool)
    held[test] = True
    return (~held).nonzero()[:, 0], test
