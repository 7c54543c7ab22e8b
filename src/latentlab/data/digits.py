"""Real handwritten digits that come with scikit-learn, brought from 8×8 to the look of MNIST: 28×28 with a margin."""

from __future__ import annotations

import functools

import numpy as np
import torch

from .dataset import Dataset, stratified

HELD_OUT = 360  # test images of 1,797, with equal shares of every class


def enlarge(images: np.ndarray) -> np.ndarray:
    """Integers 0 … 16 (n, 8, 8) -> uint8 (n, 28, 28): bilinear to 20×20, a margin of 4, 16 becomes 255; integers only.

    Point i of the 20 lies at (i + ½) · 8/20 - ½ = (4i - 3)/10 on the old grid; beyond the old edge the image is black.
    """
    place = 4 * (np.arange(28) - 4) - 3  # in tenths of an old point
    distance = abs(place[:, None] - 10 * np.arange(8)[None, :])
    weights = np.maximum(10 - distance, 0)  # (28, 8)
    total = weights @ images.astype(np.int64) @ weights.T  # (n, 28, 28), 0 … 16 · 100
    return ((total * 255 + 800) // 1600).astype(np.uint8)


@functools.lru_cache(maxsize=2)
def load_digits(split: str = "train") -> Dataset:
    """scikit-learn's digits: images (n, 1, 28, 28) uint8, 1,437 for training and 360 for the test, always the same ones."""
    from sklearn import datasets

    if split not in ("train", "test"):
        raise ValueError(f"There is no split {split!r} of digits: choose train or test.")
    raw = datasets.load_digits()
    labels = torch.from_numpy(raw.target.astype(np.int64))
    images = torch.from_numpy(enlarge(raw.images.astype(np.int64)))[:, None]  # (n, 1, 28, 28)
    test = torch.zeros(len(labels), dtype=torch.bool)
    test[stratified(labels, HELD_OUT, seed=0)] = True
    chosen = test if split == "test" else ~test
    return Dataset("digits", split, images[chosen], labels[chosen], tuple("0123456789"))
