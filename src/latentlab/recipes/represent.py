"""From images to arrays, and the accuracies of an encoder: what every evaluation starts from."""

import torch
from torch import Tensor, nn

from latentlab.data import Dataset, to_float
from latentlab.evaluation import knn, linear_probe, linear_probe_converged
from latentlab.training.machine import autocast


@torch.no_grad()
def represent(encoder: nn.Module, images: Tensor, *, batch: int = 500, precision: str = "auto") -> Tensor:
    """Representations y of whole images, without views; uint8 (n, c, h, w) → float32 (n, dim) on the CPU.

    The encoder is used in evaluation mode and left in the mode it was in.
    """
    held = next(iter(encoder.parameters()), None)
    if len(images) == 0:
        raise ValueError("There is no image to represent: the data set is empty.")
    device = torch.device("cpu") if held is None else held.device  # an encoder may have no weights at all
    was_training = encoder.training
    encoder.eval()
    parts = []
    with autocast(precision, device):
        for part in images.split(batch):
            x = to_float(part.to(device)).contiguous(memory_format=torch.channels_last)  # (batch, c, h, w)
            parts.append(encoder(x).float().cpu())  # (batch, dim)
    encoder.train(was_training)
    return torch.cat(parts)  # (n, dim)


def pixels(images: Tensor) -> Tensor:
    """Raw pixels as a representation: the baseline without any network; uint8 (n, c, h, w) → float32 (n, c·h·w)."""
    return to_float(images).flatten(1)  # (n, c·h·w)


def score_arrays(train_y, train: Dataset, test_y, test: Dataset, *, k: int = 20) -> dict[str, object]:
    """Every accuracy of the course for one representation: 10-epoch probe, converged probe, nearest neighbours.

    The 10-epoch probe on raw features is the report's; `Score` objects with intervals come back, one a line of a table.
    """
    return {
        "probe": linear_probe(train_y, train.labels, test_y, test.labels),
        "probe, standardised": linear_probe(train_y, train.labels, test_y, test.labels, standardise=True),
        "probe, converged": linear_probe_converged(train_y, train.labels, test_y, test.labels),
        f"{k} neighbours": knn(train_y, train.labels, test_y, test.labels, k=k),
    }


def score_table(encoders: dict[str, object], train: Dataset, test: Dataset) -> dict[str, dict[str, object]]:
    """`score_arrays` of several encoders, with raw pixels beside them."""
    table = {"raw pixels": score_arrays(pixels(train.images), train, pixels(test.images), test)}
    for name, encoder in encoders.items():
        table[name] = score_arrays(represent(encoder, train.images), train, represent(encoder, test.images), test)
    return table
