"""What every measurement asks of its input: finite numbers, one row per sample, one label per row."""

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray | Tensor


def as_features(array: Array, name: str = "features") -> Tensor:
    """The array, or flattened images, as a float32 CPU tensor (n, d). ValueError if empty, of one axis, not finite."""
    features = torch.as_tensor(array).detach().to("cpu", torch.float32)
    if features.ndim < 2 or features.numel() == 0:
        raise ValueError(f"{name} has shape {tuple(features.shape)}; expected rows (n, d), at least one.")
    features = features.flatten(1)  # (n, d)
    # A sum is NaN or infinite as soon as one entry is: one pass, no mask. Only an overflow needs the second look.
    if not torch.isfinite(features.sum()) and not torch.isfinite(features).all():
        bad = int((~torch.isfinite(features).all(dim=1)).sum())
        raise ValueError(f"{name} holds NaN or infinity in {bad} of {len(features)} rows. Did the training diverge?")
    return features


def as_pair(first: Array, second: Array, names: tuple[str, str]) -> tuple[Tensor, Tensor]:
    """Two arrays as features of one width, (n, d) and (m, d). ValueError if widths differ, or as `as_features`."""
    one, two = as_features(first, names[0]), as_features(second, names[1])
    if one.shape[1] != two.shape[1]:
        said = f"{names[0]} has {one.shape[1]} dimensions but {names[1]} has {two.shape[1]}."
        raise ValueError(f"{said} Both must come from the same encoder (or be the same kind of pixels).")
    return one, two


def as_labels(labels: Array, n: int, name: str = "labels") -> Tensor:
    """The labels as an int64 CPU tensor (n,). Raises ValueError unless there is exactly one whole number per row."""
    given = torch.as_tensor(labels).detach().to("cpu")
    if given.is_floating_point() or given.is_complex():
        raise ValueError(f"{name} must be whole numbers, one class index per sample; they are {given.dtype}.")
    if given.shape != (n,):
        raise ValueError(f"{name} has shape {tuple(given.shape)}; expected one label for each of the {n} rows.")
    return given.to(torch.int64)
