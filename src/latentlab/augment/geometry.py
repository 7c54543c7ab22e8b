"""Where a view looks: crops, flips, rotations, shifts and blur, each sample with its own parameters.

Every operation is a pair. A function `random_...` draws the parameters of a batch from an explicit generator,
and a pure function applies given parameters. Resizing and blurring are separable: a small matrix acts on the rows
of an image and another on its columns, so that a whole batch costs a few batched matrix products.
"""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor


def random_boxes(
    b: int, h: int, w: int, scale: tuple[float, float], ratio: tuple[float, float], generator: Generator, attempts: int = 10
) -> Tensor:
    """Draw one crop per sample: area uniform in `scale`, ratio (width / height) log-uniform in `ratio`.

    Returns (b, 4) int64: top, left, height, width in pixels. A box that does not fit is drawn again, ten times at most;
    after that the largest central box whose ratio is allowed is taken. Scale (1, 1) means the whole image.
    Source: torchvision's RandomResizedCrop, whose distribution this is.
    """
    device = generator.device
    if tuple(scale) == (1, 1):
        return torch.tensor([0, 0, h, w], device=device).repeat(b, 1)  # (b, 4)
    area = h * w * _uniform((attempts, b), *scale, generator)  # (attempts, b)
    aspect = _uniform((attempts, b), math.log(ratio[0]), math.log(ratio[1]), generator).exp_()  # (attempts, b)
    widths, heights = (area * aspect).sqrt_().round_(), (area / aspect).sqrt_().round_()
    fits = (widths >= 1) & (widths <= w) & (heights >= 1) & (heights <= h)
    first = fits.byte().argmax(0, keepdim=True)  # (1, b): the first attempt that fits
    width = widths.gather(0, first)[0]  # (b,)
    height = heights.gather(0, first)[0]  # (b,)
    # Any place is equally likely. The product may round up to the number of places, hence the minimum.
    top = torch.minimum((torch.rand(b, generator=generator, device=device) * (h - height + 1)).floor_(), h - height)
    left = torch.minimum((torch.rand(b, generator=generator, device=device) * (w - width + 1)).floor_(), w - width)
    drawn = torch.stack((top, left, height, width), 1).long()  # (b, 4)
    central = torch.tensor(_central_box(h, w, ratio), device=device)  # (4,)
    return torch.where(fits.any(0)[:, None], drawn, central)


def _central_box(h: int, w: int, ratio: tuple[float, float]) -> tuple[int, int, int, int]:
    """Largest central box whose ratio lies in `ratio`: top, left, height, width."""
    height, width = h, w
    if w / h < ratio[0]:
        height = min(h, max(1, round(w / ratio[0])))
    elif w / h > ratio[1]:
        width = min(w, max(1, round(h * ratio[1])))
    return (h - height) // 2, (w - width) // 2, height, width


def random_choice(b: int, probability: float, generator: Generator) -> Tensor:
    """Choose each sample with the given probability. Returns (b,) bool."""
    return torch.rand(b, generator=generator, device=generator.device) < probability


def random_angles(b: int, degrees: float, generator: Generator) -> Tensor:
    """Draw angles uniform in ±degrees. Returns (b,) float32."""
    return _uniform((b,), -degrees, degrees, generator)


def random_shifts(b: int, h: int, w: int, fraction: float, generator: Generator) -> Tensor:
    """Draw shifts in whole pixels, uniform in ±fraction of the image's sides. Returns (b, 2) float32: right, down."""
    sides = torch.tensor([w, h], device=generator.device)
    return (_uniform((b, 2), -fraction, fraction, generator) * sides).round_()


def random_sigmas(b: int, sigma: tuple[float, float], probability: float, generator: Generator) -> Tensor:
    """Draw widths of a Gaussian blur, uniform in `sigma`; 0 (no blur) for samples not chosen. Returns (b,) float32."""
    chosen = random_choice(b, probability, generator)
    return _uniform((b,), *sigma, generator) * chosen


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: Generator) -> Tensor:
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


def separable(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Apply one matrix to the rows and one to the columns of every image: rows @ image @ columnsᵀ.

    images: (b, c, h, w) float; rows: (b, y, h); columns: (b, x, w). Returns (b, c, y, x), stored channel by channel,
    which makes the colour operations that follow fast. Not differentiable: it writes into a buffer.
    """
    b, c, h, w = images.shape
    wide = torch.bmm(images.reshape(b, c * h, w), columns.mT).view(b, c, h, columns.shape[1])  # (b, c, h, x)
    planes = images.new_empty(c, b, rows.shape[1], columns.shape[1])  # (c, b, y, x)
    for channel in range(c):
        torch.bmm(rows, wide[:, channel], out=planes[channel])
    return planes.transpose(0, 1)  # (b, c, y, x)


def resized_crop(
    images: Tensor, boxes: Tensor, size: int, flip: Tensor | None = None, sigmas: Tensor | None = None, kernel: int = 3
) -> Tensor:
    """Cut a box out of every image and bring it to size × size; mirror and blur it on the way.

    images: (b, c, h, w) uint8, or float in [0, 1]; boxes: (b, 4) top, left, height, width; flip: (b,) bool;
    sigmas: (b,) widths of a blur in new pixels, 0 for none. Returns (b, c, size, size) float32 in [0, 1].
    """
    h, w = images.shape[-2:]
    top, left, height, width = boxes.unbind(1)
    rows = interpolation(top, height, h, size)  # (b, size, h)
    columns = interpolation(left, width, w, size, flip)  # (b, size, w)
    if sigmas is not None:
        blurred = sigmas.nonzero()[:, 0]  # (k,) the others need no work
        rows[blurred] = blur_lines(rows[blurred], sigmas[blurred], kernel)
        columns[blurred] = blur_lines(columns[blurred], sigmas[blurred], kernel)
    if images.dtype == torch.uint8:
        rows, images = rows.mul_(1 / 255), images.float()
    return separable(images, rows, columns)


def blur_lines(lines: Tensor, sigmas: Tensor, kernel: int) -> Tensor:
    """Blur along the second-last dimension with a Gaussian of `kernel` taps; borders are reflected.

    lines: (b, …, size, n); sigmas: (b,), 0 leaves a sample as it is. Returns the same shape.
    Raises ValueError if the kernel is even or does not fit.
    """
    reach, size = kernel // 2, lines.shape[-2]
    if kernel % 2 == 0 or not kernel > 0 or reach >= size:
        raise ValueError(f"The blur's kernel must be odd and at most {2 * size - 1} for {size} pixels, got {kernel}.")
    # tap_k = exp(-k² / 2σ²) / Σ_j exp(-j² / 2σ²)
    steps = torch.arange(-reach, reach + 1, device=lines.device)  # (kernel,)
    taps = torch.softmax(-0.5 * (steps / sigmas.clamp(min=1e-3)[:, None]).square(), 1)  # (b, kernel)
    taps = taps.view(-1, kernel, *[1] * (lines.ndim - 1))  # (b, kernel, 1 …)
    order = torch.arange(-reach, size + reach, device=lines.device).abs_()  # reflected at the top
    order = (size - 1) - (size - 1 - order).abs_()  # and at the bottom
    padded = lines.index_select(-2, order)  # (b, …, size + kernel - 1, n)
    blurred = padded.narrow(-2, reach, size) * taps[:, reach]
    for k in range(reach):
        pair = padded.narrow(-2, k, size) + padded.narrow(-2, kernel - 1 - k, size)
        blurred += pair.mul_(taps[:, k])
    return blurred


def gaussian_blur(images: Tensor, sigmas: Tensor, kernel: int = 3) -> Tensor:
    """Blur every image with its own Gaussian. images: (b, c, h, w) float; sigmas: (b,). Returns (b, c, h, w)."""
    return blur_lines(blur_lines(images, sigmas, kernel).mT, sigmas, kernel).mT


def hflip(images: Tensor, flip: Tensor) -> Tensor:
    """Mirror the chosen images left to right. images: (b, c, h, w); flip: (b,) bool. Returns (b, c, h, w)."""
    return torch.where(flip[:, None, None, None], images.flip(-1), images)


def rotate_shift(images: Tensor, angles: Tensor, shifts: Tensor | None = None) -> Tensor:
    """Turn every image about its centre, then shift it; what comes in from outside is 0.

    images: (b, c, h, w) float; angles: (b,) degrees, counter-clockwise; shifts: (b, 2) pixels right and down.
    Returns (b, c, h, w). Bilinear.
    """
    b, _, h, w = images.shape
    if b == 0:
        return images.clone()
    cos, sin = angles.deg2rad().cos(), angles.deg2rad().sin()  # (b,)
    # A new pixel p reads the old image at R (p - shift), with x to the right and y down.
    inverse = torch.stack((cos, -sin, sin, cos), 1).view(b, 2, 2)  # (b, 2, 2)
    if shifts is None:
        shifts = angles.new_zeros(b, 2)
    half = torch.tensor([w / 2, h / 2], device=images.device)  # grid_sample counts in half image sides
    linear = inverse * half / half[:, None]  # (b, 2, 2)
    offset = -(inverse @ shifts[:, :, None]) / half[:, None]  # (b, 2, 1)
    grid = F.affine_grid(torch.cat((linear, offset), 2), [b, 1, h, w], align_corners=False)  # (b, h, w, 2)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)  # (b, c, h, w)
