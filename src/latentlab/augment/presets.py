"""Views: one random pipeline for a whole batch, and the pipelines of the course by name."""

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from latentlab.augment import colour, geometry
from latentlab.augment.single import OneFigure

CACHED_NUMBERS = 2**18  # 1 MiB of float32, about what a core's second-level cache holds beside its working space


@dataclass(frozen=True)
class Views:
    """A random view of every image of a batch: `views(images, generator)`.

    In this order, each step only where its setting asks for it: crop to size × size with flip, blur, colour jitter,
    colour mixing, grey. Every sample has its own parameters.
    Images of one channel keep brightness and contrast jitter; saturation, hue, mixing and grey leave them as they are.
    """

    size: int  # pixels of the square view; small views are cheap
    scale: tuple[float, float] = (0.2, 1.0)  # area of the crop as a part of the image; (1, 1) is the whole image
    flip: float = 0.5  # probability of a mirror image
    jitter: tuple[float, float, float, float] | None = None  # brightness, contrast, saturation, hue
    mix: float = 0.0  # 0 keeps the colours, 1 makes every channel a random direction in colour space
    grey: float = 0.0  # probability of a grey view
    blur: float = 0.0  # probability of a blurred view

    def __post_init__(self) -> None:
        least = 2 if self.blur else 1
        if self.size < least:
            raise ValueError(f"A view needs at least {least} pixel(s), got size = {self.size}.")
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"scale is (smallest, largest) part of the image's area, in (0, 1], got {self.scale}.")
        for name in ("flip", "mix", "grey", "blur"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name)}.")
        if self.jitter is not None and (len(self.jitter) != 4 or min(self.jitter) < 0 or self.jitter[3] > 0.5):
            order = "(brightness, contrast, saturation, hue), not negative and hue at most 0.5"
            raise ValueError(f"jitter is {order}, got {self.jitter}.")

    @torch.no_grad()
    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Draw one view of every image.

        images: (b, c, h, w) uint8, c = 1 or 3. generator: on any device; the parameters are drawn there and then
        brought to the images, so a CPU generator gives the same views on every device.
        Returns (b, c, size, size) float32 in [0, 1] on the images' device, contiguous.
        Raises TypeError for a wrong type and ValueError for a wrong shape.
        """
        if not isinstance(images, Tensor) or images.dtype != torch.uint8:
            found = images.dtype if isinstance(images, Tensor) else type(images).__name__
            raise TypeError(f"Views need a uint8 tensor (0 to 255) as latentlab.data.load returns it, got {found}.")
        if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape[1:]:
            raise ValueError(
                f"Views need a batch of images (b, c, h, w) with 1 or 3 channels, got shape {tuple(images.shape)}. "
                "Add a batch dimension with images[None], or move the channels with images.permute(0, 3, 1, 2)."
            )
        b, c, h, w = images.shape
        drawn = {name: value.to(images.device) for name, value in self._draw(b, h, w, generator).items()}
        views = torch.empty(b, c, self.size, self.size, device=images.device)
        # A processor is fastest while a part's numbers stay in its cache; a GPU takes the whole batch at once.
        step = max(1, CACHED_NUMBERS // (c * self.size**2) if images.device.type == "cpu" else b)
        for start in range(0, b, step):
            part = slice(start, start + step)
            views[part] = self._apply(images[part], **{name: value[part] for name, value in drawn.items()})
        return views

    def _draw(self, b: int, h: int, w: int, generator: Generator) -> dict[str, Tensor]:
        """Draw the parameters of b views, one row per sample; what is switched off is left out."""
        drawn = {"boxes": geometry.random_boxes(b, h, w, self.scale, generator)}
        if self.flip:
            drawn["flip"] = geometry.random_choice(b, self.flip, generator)
        if self.blur:
            drawn["sigmas"] = geometry.random_sigmas(b, self.blur, generator)
        if self.jitter is not None:
            drawn["factors"] = colour.random_jitter(b, self.jitter, generator)
        if self.mix:
            drawn["matrices"] = colour.random_mixing(b, self.mix, generator)
        if self.grey:
            drawn["grey"] = geometry.random_choice(b, self.grey, generator)
        return drawn

    def _apply(self, images, boxes, flip=None, sigmas=None, factors=None, matrices=None, grey=None) -> Tensor:
        """Apply drawn parameters, all tensors of b rows. Returns (b, c, size, size)."""
        views = geometry.resized_crop(images, boxes, self.size, flip, sigmas)  # (b, c, size, size)
        if factors is not None:
            views = colour.jitter(views, factors)
        if matrices is not None:
            views = colour.mix_colours(views, matrices)
        return views if grey is None else colour.to_grey(views, grey)


_exercise = Views(32, jitter=(0.4, 0.4, 0.2, 0.1), grey=0.2, blur=0.2)
_shapes = Views(20, scale=(0.8, 1.0), mix=1.0)

PRESETS: dict[str, Views | OneFigure] = {
    "exercise": _exercise,  # the coursework's recipe for CIFAR-10
    "cifar-cpu": replace(_exercise, size=20, blur=0.0),  # the same at 20 × 20: 2.5 times fewer pixels
    "cifar-fast": replace(_exercise, size=16, blur=0.0),  # four times fewer
    "shapes": _shapes,
    "shapes-no-colour": replace(_shapes, mix=0.0),  # colour survives: a shortcut for the pretext task
    "figure-painted": OneFigure(32, paint=True),  # set A of notebook 07: leaves shape and location
    "figure-moved": OneFigure(32, move=True),  # set B: leaves shape and colour
    "figure-moved-painted": OneFigure(32, move=True, paint=True),  # set C: leaves the shape alone
    "none": Views(32, scale=(1.0, 1.0), flip=0.0),  # only resized
    "none-20": Views(20, scale=(1.0, 1.0), flip=0.0),  # the same at the size of the views for two cores
}
