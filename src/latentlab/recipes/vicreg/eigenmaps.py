"""Laplacian eigenmaps of pictures: which, how many, and the fixed random network they pass first."""

from dataclasses import dataclass

import torch
from torch import Tensor

from latentlab.data import to_float
from latentlab.data.dataset import stratified
from latentlab.models.convnet import RandomCNN


@dataclass(frozen=True)
class Settings:
    """Everything that decides a set of eigenmap codes but the seed."""

    data: str = "shapes10"
    images: int = 3000
    dim: int = 128
    neighbours: int = 10


REPORT = Settings(data="cifar10", images=10_000)  # the report's size: ten seconds, and nothing here runs on a GPU
PRESETS = {"quick": Settings(), "cpu": REPORT, "gpu": REPORT}


@torch.no_grad()
def random_features(images: Tensor, seed: int = 0) -> Tensor:
    """Features of a fixed random linear network; uint8 (n, c, h, w) → float32 (n, features), 1024 for 32×32 images."""
    network = RandomCNN(images.shape[1], seed)
    return torch.cat([network(to_float(part)) for part in images.split(500)])  # (n, features)


def split(labels: Tensor, share: float = 0.1, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Rows (train, test): every class gives the same share to the m test rows; labels (n,) → (n − m,), (m,)."""
    if not 0 < share < 1:
        raise ValueError(f"share is the part held out, between 0 and 1, got {share}.")
    test = stratified(labels, round(share * len(labels)), seed)  # (m,)
    held = torch.zeros(len(labels), dtype=torch.bool).index_fill(0, test, True)
    return (~held).nonzero()[:, 0], test
