"""Where a view looks: crops, flips and blur, each sample with its own parameters.

A function `random_...` draws the parameters of a batch from an explicit generator, a pure function applies given
ones. Resizing and blurring are separable: a small matrix acts on the rows of an image and another on its columns, so
that a whole batch costs a few batched matrix products.
"""

import math

import torch
from torch import Generator, Tensor

RATIO = (3 / 4, 4 / 3)  # smallest and largest width / height of a crop
SIGMA = (0.1, 1.0)  # smallest and largest width of a blur, in pixels of the view
ATTEMPTS = 10  # draws of a box before the largest central one is taken


def random_boxes(b: int, h: int, w: int, scale: tuple[float, float], generator: Generator) -> Tensor:
    """Draw one crop per sample: area uniform in `scale`, width / height log-uniform in RATIO.

    Returns (b, 4) int64: top, left, height, width in pixels. A box that does not fit is drawn again, ten times at most;
    after that the largest central box whose ratio is allowed is taken. Scale (1, 1) means the whole image.
    Source: torchvision's RandomResizedCrop, whose distribution this is.
    """
    device = generator.device
    if tuple(scale) == (1, 1):
        return torch.tensor([0, 0, h, w], device=device).repeat(b, 1)  # (b, 4)
    area = h * w * uniform((ATTEMPTS, b), *scale, generator)  # (attempts, b)
    aspect = uniform((ATTEMPTS, b), math.log(RATIO[0]), math.log(RATIO[1]), generator).exp_()  # (attempts, b)
    widths, heights = (area * aspect).sqrt_().round_(), (area / aspect).sqrt_().round_()
    fits = (widths >= 1) & (widths <= w) & (heights >= 1) & (heights <= h)
    first = fits.byte().argmax(0, keepdim=True)  # (1, b): the first attempt that fits
    width, height = widths.gather(0, first)[0], heights.gather(0, first)[0]  # (b,)
    # Any place is equally likely. The product may round up to the number of places, hence the minimum.
    top = torch.minimum((torch.rand(b, generator=generator, device=device) * (h - height + 1)).floor_(), h - height)
    left = torch.minimum((torch.rand(b, generator=generator, device=device) * (w - width + 1)).floor_(), w - width)
    drawn = torch.stack((top, left, height, width), 1).long()  # (b, 4)
    tall, wide = min(h, round(w / RATIO[0])), min(w, round(h * RATIO[1]))  # of the largest central box
    central = torch.tensor([(h - tall) // 2, (w - wide) // 2, tall, wide], device=device)  # (4,)
    return torch.where(fits.any(0)[:, None], drawn, central)


def random_choice(b: int, probability: float, generator: Generator) -> Tensor:
    """Choose each sample with the given probability. Returns (b,) bool."""
    return torch.rand(b, generator=generator, device=generator.device) < probability


def random_sigmas(b: int, probability: float, generator: Generator) -> Tensor:
    """Draw widths of a Gaussian blur, uniform in SIGMA; 0 (no blur) for samples not chosen. Returns (b,) float32."""
    chosen = random_choice(b, probability, generator)
    return uniform((b,), *SIGMA, generator) * chosen


def uniform(shape: tuple[int, ...], low: float, high: float, generator: Generator) -> Tensor:
    """Numbers of that shape, uniform in low … high, float32."""
    return torch.rand(shape, generator=generator, device=generator.device).mul_(high - low).add_(low)


def interpolation(starts: Tensor, lengths: Tensor, n: int, size: int, flip: Tensor | None = None) -> Tensor:
    """Weights with which `size` new pixels read the pixels starts … starts + lengths of a line of n.

    starts, lengths: (b,). flip: (b,) bool, the line is read backwards. Returns (b, size, n), every row sums to 1.
    Bilinear with antialiasing: a triangle as wide as a new pixel, but at least as wide as an old one.
    """
    device = starts.device
    step = (lengths / size)[:, None]  # (b, 1) old pixels per new pixel
    narrow = 1 / step.clamp(min=1)  # (b, 1) one over half the triangle's width
    new = torch.arange(size, device=device).expand(len(starts), size)  # (b, size)
    if flip is not None:
        new = torch.where(flip[:, None], size - 1 - new, new)
    centres = (new + 0.5) * step * narrow  # (b, size)
    old = torch.arange(n, device=device) + 0.5 - starts[:, None]  # (b, n) place within the box
    outside = (old < 0) | (old > lengths[:, None])
    places = (old * narrow).masked_fill_(outside, 1e6)  # (b, n) nothing outside the box is near enough to count
    # weight = max(0, 1 - |place - centre|), then divided by its sum
    weights = (places[:, None, :] - centres[:, :, None]).abs_().neg_().add_(1).clamp_(min=0)  # (b, size, n)
    return weights.mul_(1 / weights.sum(-1, keepdim=True))


def blur_lines(lines: Tensor, sigmas: Tensor) -> Tensor:
    """Blur along the second-last dimension with a Gaussian of three taps; borders are reflected.

    lines: (b, size, n), size ≥ 2; sigmas: (b,). Returns the same shape.
    """
    # tap_k = exp(-k² / 2σ²) / Σ_j exp(-j² / 2σ²)
    steps = torch.arange(-1, 2, device=lines.device)  # (3,)
    taps = torch.softmax(-0.5 * (steps / sigmas[:, None]).square(), 1)[:, :, None, None]  # (b, 3, 1, 1)
    before = torch.cat((lines[:, 1:2], lines[:, :-1]), 1)  # (b, size, n)
    after = torch.cat((lines[:, 1:], lines[:, -2:-1]), 1)  # (b, size, n)
    return lines * taps[:, 1] + (before + after) * taps[:, 0]


def resized_crop(
    images: Tensor, boxes: Tensor, size: int, flip: Tensor | None = None, sigmas: Tensor | None = None
) -> Tensor:
    """Cut a box out of every image and bring it to size × size; mirror and blur it on the way.

    images: (b, c, h, w) uint8, or float in [0, 1]; boxes: (b, 4) top, left, height, width; flip: (b,) bool;
    sigmas: (b,) widths of a blur in new pixels, 0 for none. Returns (b, c, size, size) float32 in [0, 1], stored
    channel by channel: the colour operations that follow are fast. Not differentiable: it writes into a buffer.
    """
    b, c, h, w = images.shape
    top, left, height, width = boxes.unbind(1)
    rows = interpolation(top, height, h, size)  # (b, size, h)
    columns = interpolation(left, width, w, size, flip)  # (b, size, w)
    if sigmas is not None:
        blurred = sigmas.nonzero()[:, 0]  # (k,) the others need no work
        rows[blurred] = blur_lines(rows[blurred], sigmas[blurred])
        columns[blurred] = blur_lines(columns[blurred], sigmas[blurred])
    if images.dtype == torch.uint8:
        rows, images = rows.mul_(1 / 255), images.float()
    # rows @ image @ columnsᵀ
    wide = torch.bmm(images.reshape(b, c * h, w), columns.mT).view(b, c, h, size)
    planes = images.new_empty(c, b, size, size)
    for channel in range(c):
        torch.bmm(rows, wide[:, channel], out=planes[channel])
    return planes.transpose(0, 1)  # (b, c, size, size)
