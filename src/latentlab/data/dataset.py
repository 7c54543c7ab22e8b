"""What a dataset is: images, labels, class names, a checksum and, where known, the factors that made each image."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor


def to_float(images: Tensor) -> Tensor:
    """Convert bytes to numbers in [0, 1].

    images: (b, c, h, w) or any other shape, uint8. Returns float32 of the same shape.
    Raises TypeError for another type.
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"Images must be uint8 (0 to 255) as latentlab.data.load returns them, got {images.dtype}.")
    return images.float().mul_(1 / 255)


def checksum(images: Tensor, labels: Tensor) -> str:
    """SHA-256 (hex) over the bytes of `images` (n, c, h, w) uint8, then those of `labels` (n,) int64."""
    digest = hashlib.sha256(np.ascontiguousarray(images.numpy()))
    digest.update(np.ascontiguousarray(labels.numpy()))
    return digest.hexdigest()


def shuffled(n: int, seed: int) -> Tensor:
    """A random order of 0 … n-1, (n,) int64: the same on every machine and for every NumPy version."""
    keys = np.random.PCG64(seed).random_raw(n) if n else np.zeros(0)
    return torch.from_numpy(np.argsort(keys, kind="stable"))


def stratified(labels: Tensor, n: int, seed: int) -> Tensor:
    """Indices (n,) in rising order of a random sample that keeps the share of each class (within one image)."""
    order = shuffled(len(labels), seed)
    position = torch.empty(len(labels), dtype=torch.float64)
    for members in (torch.nonzero(labels[order] == k).squeeze(1) for k in labels.unique()):
        position[members] = (torch.arange(len(members), dtype=torch.float64) + 0.5) / len(members)  # place within the class
    chosen = torch.argsort(position, stable=True)[:n]
    return order[chosen].sort().values


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Labelled images. Treat the tensors as read-only: sets are shared between calls, or mapped from a file.

    images  (n, c, h, w) uint8, in memory or memory-mapped
    labels  (n,) int64, indices into `classes`
    checksum  SHA-256 over images and labels; computed when it is asked for, unless `digest` says it
    factors  name -> (n, …): the known factors of variation, {} if unknown

    Raises ValueError when the parts do not fit together.
    """

    name: str
    split: str
    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    digest: str = ""
    factors: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != torch.uint8:
            shape, kind = tuple(self.images.shape), self.images.dtype
            raise ValueError(f"{self.name}: images must be uint8 of shape (n, c, h, w), got {kind} of shape {shape}.")
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            shape, kind = tuple(self.labels.shape), self.labels.dtype
            raise ValueError(f"{self.name}: labels must be int64 of shape ({len(self.images)},), got {kind} of shape {shape}.")
        if len(self.labels) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            low, high = int(self.labels.min()), int(self.labels.max())
            raise ValueError(f"{self.name}: labels must lie in 0 … {len(self.classes) - 1}, found {low} … {high}.")
        for key, values in self.factors.items():
            if len(values) != len(self.images):
                raise ValueError(f"{self.name}: factor {key!r} has {len(values)} values for {len(self.images)} images.")

    @cached_property
    def checksum(self) -> str:
        return self.digest or checksum(self.images, self.labels)

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        c, h, w = self.images.shape[1:]
        return f"Dataset({self.name!r}, {self.split}: {len(self):,} images {c}×{h}×{w}, {len(self.classes)} classes)"

    def subset(self, indices: Tensor | np.ndarray | list[int]) -> Dataset:
        """The images at `indices` (m,), in that order, as a new Dataset in memory. Raises IndexError outside the set."""
        index = torch.as_tensor(indices, dtype=torch.int64)
        factors = {key: values[index] for key, values in self.factors.items()}
        return dataclasses.replace(self, images=self.images[index], labels=self.labels[index], digest="", factors=factors)

    def first(self, n: int) -> Dataset:
        """The first n images, without a copy. Raises ValueError when there are fewer."""
        self._check(n, len(self))
        if n == len(self):
            return self
        factors = {key: values[:n] for key, values in self.factors.items()}
        return dataclasses.replace(self, images=self.images[:n], labels=self.labels[:n], digest="", factors=factors)

    def sample(self, n: int, seed: int) -> Dataset:
        """A random sample of n images that keeps the share of each class. Raises ValueError when there are fewer."""
        self._check(n, len(self))
        return self if n == len(self) else self.subset(stratified(self.labels, n, seed))

    def holdout(self, n: int, seed: int) -> tuple[Dataset, Dataset]:
        """(the rest, n images held out), both with the class shares of the whole. Raises ValueError unless 0 < n < len."""
        self._check(n, len(self) - 1)
        held = stratified(self.labels, n, seed)
        rest = torch.ones(len(self), dtype=torch.bool)
        rest[held] = False
        return self.subset(rest.nonzero().squeeze(1)), self.subset(held)

    def _check(self, n: int, most: int) -> None:
        if not 0 < n <= most:
            raise ValueError(f"{self.name} ({self.split}) has {len(self):,} images: choose n between 1 and {most:,}, not {n:,}.")
