"""From images to arrays: what every evaluation starts from."""

import torch
from torch import Tensor, nn

from latentlab.data import to_float
from latentlab.training.machine import autocast


@torch.no_grad()
def represent(encoder: nn.Module, images: Tensor, *, batch: int = 500, precision: str = "auto") -> Tensor:
    """Representations y of whole images, without views; uint8 (n, c, h, w) → float32 (n, dim) on the CPU.

    The encoder is used in evaluation mode and left in the mode it was in.
    """
    if not len(images):
        raise ValueError("There is no image to represent: the data set is empty.")
    device = next((held.device for held in encoder.parameters()), torch.device("cpu"))  # it may have no weights at all
    was_training, parts = encoder.training, []
    encoder.eval()
    with autocast(precision, device):
        for part in images.split(batch):
            x = to_float(part.to(device)).contiguous(memory_format=torch.channels_last)  # (batch, c, h, w)
            parts.append(encoder(x).float().cpu())  # (batch, dim)
    encoder.train(was_training)
    return torch.cat(parts)  # (n, dim)


def pixels(images: Tensor) -> Tensor:
    """Raw pixels as a representation: the baseline without any network; uint8 (n, c, h, w) → float32 (n, c·h·w)."""
    return to_float(images).flatten(1)  # (n, c·h·w)
