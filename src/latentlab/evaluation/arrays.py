"""What every measurement asks of its input: finite numbers, one row per sample, one label per row."""

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray | Tensor


def as_features(array: Array, name: str = "features") -> Tensor:
    """The array as a float32 CPU tensor (n, d). Images are flattened, so that raw pixels are a representation too.

    Raises ValueError if it is empty, has fewer than two axes, or holds NaN or infinity.
    """
    features = torch.as_tensor(array).detach().to("cpu", torch.float32)
    if features.ndim < 2:
        raise ValueError(f"{name} has shape {tuple(features.shape)}; expected one row per sample, (n, d).")
    if features.numel() == 0:
        raise ValueError(f"{name} is empty (shape {tuple(features.shape)}); there is nothing to measure.")
    features = features.flatten(1)  # (n, d)
    # A sum is NaN or infinite as soon as one entry is: one pass, no mask. Only an overflow needs the second look.
    if not torch.isfinite(features.sum()) and not torch.isfinite(features).all():
        bad = int((~torch.isfinite(features).all(dim=1)).sum())
        raise ValueError(
            f"{name} holds NaN or infinity in {bad} of {len(features)} rows. Did the training diverge? Look at its losses first."
        )
    return features


def as_labels(labels: Array, n: int, name: str = "labels") -> Tensor:
    """The labels as an int64 CPU tensor (n,). Raises ValueError unless there is exactly one whole number per row."""
    given = torch.as_tensor(labels).detach().to("cpu")
    if given.is_floating_point() or given.is_complex():
        raise ValueError(f"{name} must be whole numbers, one class index per sample; they are {given.dtype}.")
    if given.shape != (n,):
        raise ValueError(f"{name} has shape {tuple(given.shape)}; expected one label for each of the {n} rows.")
    return given.to(torch.int64)


def check_same_width(first: Tensor, second: Tensor, names: tuple[str, str]) -> None:
    """Raise ValueError if two feature arrays have a different number of dimensions."""
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"{names[0]} has {first.shape[1]} dimensions but {names[1]} has {second.shape[1]}. "
            "Both must come from the same encoder (or be the same kind of pixels)."
        )
