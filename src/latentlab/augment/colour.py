"""Which colours a view has: jitter, mixing and grey, each sample with its own parameters.

Every pure function takes float images in [0, 1] of shape (b, c, h, w), c = 1 or 3, and one parameter per sample, and
returns the same shape in [0, 1]. All but `mix_colours` work in place. On one channel there is no colour: saturation,
hue, grey and mixing then return the images as they are (torchvision's rule), brightness and contrast work as always.
"""

import torch
from torch import Generator, Tensor

from latentlab.augment.geometry import random_choice, uniform

LUMA = (0.2989, 0.587, 0.114)  # how bright red, green and blue seem to the eye (ITU-R BT.601)
JITTERED = 0.8  # share of the views whose colours are jittered


def random_jitter(b: int, strength: tuple[float, float, float, float], generator: Generator) -> Tensor:
    """Draw factors of brightness, contrast and saturation, uniform in 1 ± strength, and a hue uniform in ±strength.

    Returns (b, 4). Samples that are not chosen get the neutral 1, 1, 1 and 0.
    Source: torchvision's ColorJitter inside RandomApply.
    """
    chosen = random_choice(b, JITTERED, generator)
    factors = [uniform((b,), max(0.0, 1 - s), 1 + s, generator) for s in strength[:3]]
    hue = uniform((b,), -strength[3], strength[3], generator)
    return torch.stack([*(torch.where(chosen, factor, 1.0) for factor in factors), hue * chosen], 1)


def random_mixing(b: int, strength: float, generator: Generator) -> Tensor:
    """Draw a matrix that mixes the three colour channels: (1 - strength) · identity + strength · random directions.

    Returns (b, 3, 3). Row i of the random part has length 1 and points anywhere in colour space, so that
    a new channel spreads on average as much as an old one.
    """
    random = torch.randn(b, 3, 3, generator=generator, device=generator.device)
    random /= random.norm(dim=2, keepdim=True)
    return torch.eye(3, device=generator.device).lerp(random, strength)


def grey_of(images: Tensor) -> Tensor:
    """Brightness of every pixel. images: (b, 3, h, w). Returns (b, 1, h, w)."""
    red, green, blue = images.split(1, dim=1)  # three times (b, 1, h, w)
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def adjust_brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Multiply every image by its factor and clip. factors: (b,) ≥ 0."""
    return images.mul_(_per_image(factors)).clamp_(0, 1)


def adjust_contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Blend every image with its mean brightness and clip. factors: (b,) ≥ 0; 0 gives a plain image."""
    mean = images.mean((-2, -1))  # (b, c)
    if images.shape[1] == 3:
        mean = mean @ mean.new_tensor(LUMA)[:, None]  # (b, 1)
    # f · image + (1 - f) · mean
    return images.mul_(_per_image(factors)).add_(_per_image((1 - factors) * mean[:, 0])).clamp_(0, 1)


def adjust_saturation(images: Tensor, factors: Tensor) -> Tensor:
    """Blend every image with its grey version and clip. factors: (b,) ≥ 0; 0 gives a grey image."""
    if images.shape[1] == 1:
        return images
    # f · image + (1 - f) · grey
    grey = grey_of(images).mul_(_per_image(1 - factors))  # (b, 1, h, w)
    return images.mul_(_per_image(factors)).add_(grey).clamp_(0, 1)


def adjust_hue(images: Tensor, shifts: Tensor) -> Tensor:
    """Turn the colour circle by a part of a full turn; saturation and value stay. shifts: (b,) in [-0.5, 0.5].

    No branches: with the largest, smallest channel and their difference (the chroma), the hue of a pixel is
    h = ± (1 + (green + blue - red - smallest) / chroma) / 6 turns, with the sign of green - blue.
    A channel has the largest value within 1/6 turn of its own hue, the smallest beyond 2/6, and is linear between:
    channel = largest - chroma · clip(6 · distance(h, own hue) - 1).  Source: HSV as in A. R. Smith (1978).
    """
    if images.shape[1] == 1:
        return images
    red, green, blue = images.unbind(1)  # three times (b, h, w)
    largest = torch.maximum(torch.maximum(red, green), blue)
    smallest = torch.minimum(torch.minimum(red, green), blue)
    chroma = largest - smallest
    hue = (green + blue).sub_(red).sub_(smallest)
    hue.div_(chroma.clamp(min=1e-12)).add_(1).mul_(1 / 6)  # a grey pixel has chroma 0: any hue will do
    hue.copysign_(green - blue).add_(shifts[:, None, None])
    for channel, own in enumerate((0, 1 / 3, 2 / 3)):
        distance = hue - own
        distance.sub_(distance.round()).abs_()  # around the circle, at most half a turn
        fall = distance.mul_(6).sub_(1).clamp_(0, 1).mul_(chroma)
        torch.sub(largest, fall, out=images[:, channel])
    return images


def jitter(images: Tensor, factors: Tensor) -> Tensor:
    """Adjust brightness, contrast, saturation and hue, always in this order. factors: (b, 4).

    torchvision shuffles the order for every image. In a batch each order would need its own pass, so we keep one:
    the factors have the same distribution, and only clipping makes the order visible.
    """
    steps = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)
    for adjust, factor in zip(steps, factors.unbind(1), strict=True):
        images = adjust(images, factor)
    return images


def mix_colours(images: Tensor, matrices: Tensor) -> Tensor:
    """Multiply every pixel's colour, measured from middle grey, by its image's matrix: ½ + M (colour - ½), clipped.

    images: (b, 3, h, w); matrices: (b, 3, 3). Returns (b, 3, h, w).
    """
    if images.shape[1] == 1:
        return images
    # M colour + ½ (1 - M 1)
    constant = (1 - matrices.sum(2, keepdim=True)) / 2  # (b, 3, 1)
    mixed = torch.bmm(matrices, images.flatten(2))  # (b, 3, h·w)
    return mixed.add_(constant).clamp_(0, 1).view(images.shape)  # (b, 3, h, w)


def to_grey(images: Tensor, chosen: Tensor) -> Tensor:
    """Take the colour from the chosen images. chosen: (b,) bool."""
    if images.shape[1] == 3:
        index = chosen.nonzero()[:, 0]  # (k,)
        images[index] = grey_of(images[index])  # (k, 1, h, w), the same in all three channels
    return images


def _per_image(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)  # (b, 1, 1, 1)
