"""What a dataset is: images, labels, class names, a checksum and, where known, the factors that made each image."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def to_float(images: Tensor, side: int | None = None) -> Tensor:
    """uint8 images (b, c, h, w) → float32 in [0, 1], averaged down to side × side if `side` is given.

    Without `side` any shape will do. Raises TypeError for another type.
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"Images must be uint8 (0 to 255) as latentlab.data.load returns them, got {images.dtype}.")
    x = images.float().mul_(1 / 255)
    return x if side is None else F.adaptive_avg_pool2d(x, side)  # (b, c, side, side)


def binarise(
    images: Tensor, *, side: int | None = None, sampled: bool = False, generator: torch.Generator | None = None
) -> Tensor:
    """uint8 images (n, 1, h, w) → 0 and 1, float32, averaged down to side × side if `side` is given.

    sampled: by chance, a pixel's brightness its probability (Salakhutdinov and Murray 2008); else by the threshold ½.
    """
    x = to_float(images, side)
    return torch.bernoulli(x, generator=generator) if sampled else (x > 0.5).float()


def checksum(images: Tensor, labels: Tensor) -> str:
    """SHA-256 (hex) over the bytes of `images` (n, c, h, w) uint8, then those of `labels` (n,) int64."""
    digest = hashlib.sha256(np.ascontiguousarray(images.numpy()))
    digest.update(np.ascontiguousarray(labels.numpy()))
    return digest.hexdigest()


def shuffled(n: int, seed: int) -> Tensor:
    """A random order of 0 … n-1, (n,) int64: the same on every machine and for every NumPy version."""
    return torch.from_numpy(np.argsort(np.random.PCG64(seed).random_raw(n), kind="stable"))


def stratified(labels: Tensor, n: int, seed: int) -> Tensor:
    """Indices (n,) in rising order of a random sample that keeps the share of each class (within one image)."""
    order = shuffled(len(labels), seed)
    position = torch.empty(len(labels), dtype=torch.float64)  # of every image within its class, from 0 to 1
    for members in (torch.nonzero(labels[order] == k).squeeze(1) for k in labels.unique()):
        position[members] = (torch.arange(len(members), dtype=torch.float64) + 0.5) / len(members)
    return order[torch.argsort(position, stable=True)[:n]].sort().values


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Labelled images. Treat the tensors as read-only: sets are shared between calls, or mapped from a file.

    images  (n, c, h, w) uint8, in memory or memory-mapped
    labels  (n,) int64, indices into `classes`
    factors  name -> (n, …): the known factors of variation, {} if unknown

    Raises ValueError when the parts do not fit together.
    """

    name: str
    split: str
    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    factors: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n, k = len(self.images), len(self.classes)
        pixels, indices = (f"{part.dtype} of shape {tuple(part.shape)}" for part in (self.images, self.labels))
        if self.images.ndim != 4 or self.images.dtype != torch.uint8:
            raise ValueError(f"{self.name}: images must be uint8 of shape (n, c, h, w), got {pixels}.")
        if self.labels.dtype != torch.int64 or self.labels.shape != (n,):
            raise ValueError(f"{self.name}: labels must be int64 of shape ({n},), got {indices}.")
        if n and not 0 <= self.labels.min() <= self.labels.max() < k:
            raise ValueError(f"{self.name}: labels are {self.labels.min()} … {self.labels.max()}, not in 0 … {k - 1}.")
        for key, values in self.factors.items():
            if len(values) != n:
                raise ValueError(f"{self.name}: factor {key!r} has {len(values)} values for {n} images.")

    @cached_property
    def checksum(self) -> str:
        """SHA-256 over images and labels."""
        return checksum(self.images, self.labels)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        c, h, w = self.images.shape[1:]
        return f"Dataset({self.name!r}, {self.split}: {len(self):,} images {c}×{h}×{w}, {len(self.classes)} classes)"

    def subset(self, indices: Tensor | slice) -> Dataset:
        """The images at `indices`, (m,) int64 in that order, or of a slice. Raises IndexError outside the set."""
        factors = {key: values[indices] for key, values in self.factors.items()}
        return replace(self, images=self.images[indices], labels=self.labels[indices], factors=factors)

    def first(self, n: int) -> Dataset:
        """The first n images, without a copy. Raises ValueError when there are fewer."""
        self._check(n, len(self))
        return self.subset(slice(n))

    def sample(self, n: int, seed: int) -> Dataset:
        """A random sample of n images that keeps the share of each class. Raises ValueError when there are fewer."""
        self._check(n, len(self))
        return self if n == len(self) else self.subset(stratified(self.labels, n, seed))

    def holdout(self, n: int, seed: int) -> tuple[Dataset, Dataset]:
        """(the rest, n images held out), both with the whole's class shares. Raises ValueError unless 0 < n < len."""
        self._check(n, len(self) - 1)
        held = stratified(self.labels, n, seed)
        rest = torch.ones(len(self), dtype=torch.bool)
        rest[held] = False
        return self.subset(rest.nonzero().squeeze(1)), self.subset(held)

    def _check(self, n: int, most: int) -> None:
        if not 0 < n <= most:
            has = f"{self.name} ({self.split}) has {len(self):,} images"
            raise ValueError(f"{has}: choose n between 1 and {most:,}, not {n:,}.")
