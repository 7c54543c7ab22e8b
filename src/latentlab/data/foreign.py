"""Foreign images at the encoder's door: grey digits brought to the size and the channels that it was trained on."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Settings:
    """Which images are foreign."""

    data: str = "digits"
    split: str = "test"


PRESETS = {"quick": Settings(), "cpu": Settings("mnist"), "gpu": Settings("mnist")}


def to_input(images: Tensor, side: int = 32, channels: int = 3, how: str = "pad") -> Tensor:
    """Images (n, 1 or channels, h, w) uint8 → (n, channels, side, side) uint8; grey is repeated in every channel.

    how: "pad" puts a black margin around, every old pixel keeps its value; "resize" enlarges bilinearly and rounds.
    Raises ValueError for another type or shape, an unknown way, or images that are too large to pad.
    """
    h, w = images.shape[-2:]
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, channels):
        raise ValueError(f"Got {images.dtype} {tuple(images.shape)}: expected uint8 (n, c, h, w), c = 1 or {channels}.")
    if how == "resize":
        images = F.interpolate(images.float(), (side, side), mode="bilinear", antialias=True).round().to(torch.uint8)
    elif how != "pad":
        raise ValueError(f"how = {how!r} is unknown; choose pad or resize.")
    elif max(h, w) > side:
        raise ValueError(f"Images of {h} × {w} pixels do not fit into {side} × {side}. Use how='resize'.")
    else:
        top, left = (side - h) // 2, (side - w) // 2
        images = F.pad(images, (left, side - w - left, top, side - h - top))  # (n, c, side, side)
    return images.expand(-1, channels, -1, -1).contiguous()


def on_ground(digits: Tensor, ground: Tensor) -> Tensor:
    """The same strokes in white on other grounds; digits (n, c, h, w), ground the same or one colour (c, 1, 1), uint8.

    A digit's brightness is how much of the stroke covers a pixel: 0 shows the ground, 255 is white.
    """
    cover = digits.float() / 255
    return (cover * 255 + (1 - cover) * ground.float()).round().to(torch.uint8)  # (n, c, h, w)
