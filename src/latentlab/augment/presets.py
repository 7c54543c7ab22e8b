"""Views: one random pipeline for a whole batch, and the pipelines of the course by name."""

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from latentlab.augment import colour, geometry


@dataclass(frozen=True)
class Views:
    """A random view of every image of a batch: `views(images, generator)`.

    In this order, each step only where its setting asks for it: rotation and shift, crop to size × size with flip,
    blur, colour jitter, colour mixing, grey. Every sample has its own parameters.
    Images of one channel keep brightness and contrast jitter; saturation, hue, mixing and grey leave them as they are.
    """

    size: int  # pixels of the square view; small views are cheap
    scale: tuple[float, float] = (0.2, 1.0)  # area of the crop as a part of the image; (1, 1) is the whole image
    ratio: tuple[float, float] = (3 / 4, 4 / 3)  # width / height of the crop
    flip: float = 0.5  # probability of a mirror image
    rotation: float = 0.0  # degrees, uniform in ±rotation; corners turn black
    shift: float = 0.0  # part of the image's side, uniform in ±shift; borders turn black
    jitter: tuple[float, float, float, float] | None = None  # brightness, contrast, saturation, hue
    jitter_probability: float = 0.8
    mix: float = 0.0  # 0 keeps the colours, 1 makes every channel a random direction in colour space
    grey: float = 0.0  # probability of a grey view
    blur: float = 0.0  # probability of a blurred view
    blur_kernel: int = 3  # pixels of the view
    blur_sigma: tuple[float, float] = (0.1, 2.0)  # pixels of the view

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"A view needs at least one pixel, got size = {self.size}.")
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"scale is (smallest, largest) part of the image's area, within (0, 1], got {self.scale}.")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ValueError(f"ratio is (smallest, largest) width / height, both positive, got {self.ratio}.")
        for name in ("flip", "jitter_probability", "mix", "grey", "blur", "shift"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name)}.")
        if self.jitter is not None and (len(self.jitter) != 4 or min(self.jitter) < 0 or self.jitter[3] > 0.5):
            raise ValueError(
                f"jitter is (brightness, contrast, saturation, hue), not negative and hue at most 0.5, got {self.jitter}."
            )
        if self.blur > 0 and (self.blur_kernel % 2 == 0 or not 0 < self.blur_kernel < 2 * self.size):
            raise ValueError(f"blur_kernel must be odd and fit a view of {self.size} pixels, got {self.blur_kernel}.")
        if not 0 < self.blur_sigma[0] <= self.blur_sigma[1]:
            raise ValueError(f"blur_sigma is (smallest, largest) width in pixels, both positive, got {self.blur_sigma}.")

    @torch.no_grad()
    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Draw one view of every image.

        images: (b, c, h, w) uint8, c = 1 or 3. generator: on any device; the parameters are drawn there and then
        brought to the images, so a CPU generator gives the same views on every device.
        Returns (b, c, size, size) float32 in [0, 1] on the images' device, contiguous.
        Raises TypeError for a wrong type and ValueError for a wrong shape.
        """
        _check(images)
        b, c, h, w = images.shape
        device = images.device

        if self.rotation or self.shift:
            angles = geometry.random_angles(b, self.rotation, generator).to(device)
            shifts = geometry.random_shifts(b, h, w, self.shift, generator).to(device)
            images = geometry.rotate_shift(geometry.to_float(images), angles, shifts)
        boxes = geometry.random_boxes(b, h, w, self.scale, self.ratio, generator).to(device)
        flip = geometry.random_choice(b, self.flip, generator).to(device) if self.flip else None
        sigmas = geometry.random_sigmas(b, self.blur_sigma, self.blur, generator).to(device) if self.blur else None
        views = geometry.resized_crop(images, boxes, self.size, flip, sigmas, self.blur_kernel)  # (b, c, size, size)

        if self.jitter is not None:
            factors = colour.random_jitter(b, self.jitter, self.jitter_probability, generator)
            views = colour.jitter(views, *(factor.to(device) for factor in factors), out=views)
        if self.mix and c == 3:
            views = colour.mix_colours(views, colour.random_mixing(b, self.mix, generator).to(device))
        if self.grey and c == 3:
            views = colour.to_grey(views, colour.random_choice(b, self.grey, generator).to(device), out=views)
        return views.contiguous()


def _check(images: Tensor) -> None:
    if not isinstance(images, Tensor) or images.dtype != torch.uint8:
        found = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"Views need a uint8 tensor (values 0 to 255) as latentlab.data.load returns it, got {found}.")
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape[1:]:
        raise ValueError(
            f"Views need a batch of images (b, c, h, w) with 1 or 3 channels, got shape {tuple(images.shape)}. "
            "Add a batch dimension with images[None], or move the channels with images.permute(0, 3, 1, 2)."
        )


_exercise = Views(32, jitter=(0.4, 0.4, 0.2, 0.1), grey=0.2, blur=0.5, blur_sigma=(0.1, 1.0))
_shapes = Views(20, scale=(0.6, 1.0), mix=1.0)

PRESETS: dict[str, Views] = {
    "exercise": _exercise,  # the coursework's recipe for CIFAR-10
    "cifar-cpu": replace(_exercise, size=20, blur=0.0),  # the same at 20 × 20: 2.5 times fewer pixels
    "shapes": _shapes,
    "shapes-no-colour": replace(_shapes, mix=0.0),  # colour survives: a shortcut for the pretext task
    "digits": Views(28, scale=(0.7, 1.0), flip=0.0, rotation=15.0, shift=0.1),
    "none": Views(32, scale=(1.0, 1.0), flip=0.0),  # only resized
}
