"""The yardstick: features nobody trained. Whitened patches of the training images as filters, then a linear probe.

Adam Coates, Honglak Lee, Andrew Y. Ng, "An Analysis of Single-Layer Networks in Unsupervised Feature Learning" (2011).
No gradient, no labels: patches are sampled, whitened and clustered, and every patch of an image is compared with the centres.
What a learned encoder is worth is what it adds to this.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor, nn

from latentlab.data import to_float

BLOCK = 2**20  # activations computed at a time (elements): small enough to stay in a processor's cache


@dataclass(frozen=True)
class PatchSettings:
    """Everything that decides patch features but the images and the seed; raises ValueError for what cannot be computed."""

    filters: int = 128
    patch: int = 6  # pixels
    patches: int = 100_000  # sampled for whitening and dictionary
    contrast: float = 10 / 255**2  # added to a patch's variance, pixels in [0, 1]: keeps the noise of flat patches small
    whitening: float = 0.1  # added to the eigenvalues of the patches' covariance
    grid: int = 2  # averaged over grid × grid cells of the image
    passes: int = 10  # of k-means over the patches
    standardise_on: int = 5000  # images that give each feature's mean and spread

    def __post_init__(self):
        for name in ("filters", "patch", "patches", "grid", "passes", "standardise_on"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}: expected a whole number from 1 on.")
        if not (self.contrast > 0 and self.whitening > 0):
            raise ValueError(f"contrast = {self.contrast}, whitening = {self.whitening}: both must be above 0.")
        if self.patches < self.filters:
            raise ValueError(f"{self.patches} patches are too few for {self.filters} filters: sample more, or ask for fewer.")

    @property
    def dim(self) -> int:
        """How many features an image gets: filters × cells."""
        return self.filters * self.grid**2


PRESETS = {
    "quick": PatchSettings(),  # 512 dimensions, as many as the learned encoder is allowed
    "cpu": PatchSettings(filters=1600, patches=200_000),  # 6,400 dimensions: as in the paper, minutes on two cores
}


def contrast_normalise(patches: Tensor, regulariser: float) -> Tensor:
    """Patches (..., p), pixels in [0, 1], without their brightness (exactly) and contrast (up to the regulariser)."""
    # x − x̄
    centred = patches - patches.mean(-1, keepdim=True)  # (..., p)
    # x̂ = (x − x̄) / √(var x + c)
    return centred / (centred.square().mean(-1, keepdim=True) + regulariser).sqrt()


def zca(patches: Tensor, regulariser: float) -> tuple[Tensor, Tensor]:
    """Mean (p,) of patches (n, p), and the symmetric matrix W (p, p) that gives them unit covariance up to the regulariser."""
    mean = patches.mean(0)  # (p,)
    centred = (patches - mean).double()
    # C = Xᵀ X / n = V Λ Vᵀ
    eigenvalues, v = torch.linalg.eigh(centred.T @ centred / len(patches))  # (p,), (p, p)
    # W = V (Λ + ε)^−½ Vᵀ
    return mean, (v * (eigenvalues.clamp_min(0) + regulariser).rsqrt() @ v.T).float()


def triangle(x: Tensor, centres: Tensor) -> Tensor:
    """How much nearer than the average centre: whitened patches x (r, p), centres (k, p) → (r, k) ≥ 0, half of it zero."""
    # z² = |x|² + |c|² − 2 x·c
    z = F.linear(x, -2 * centres, centres.square().sum(1))  # (r, k)
    z += x.float().square().sum(1, keepdim=True).to(z.dtype)
    z.clamp_min_(0).sqrt_()
    # max(0, z̄ − z)
    return torch.sub(z.mean(1, keepdim=True), z, out=z).clamp_min_(0)


def cells(rows: int, columns: int, grid: int) -> Tensor:
    """Which position (rows · columns) belongs to which cell (grid²): a matrix of 0 and 1, every position in one cell."""
    row = torch.arange(rows) * grid // rows  # (rows,)
    column = torch.arange(columns) * grid // columns  # (columns,)
    cell = (row[:, None] * grid + column).flatten()  # (rows · columns,)
    return F.one_hot(cell, grid**2).T.float()  # (grid², rows · columns)


def sample_patches(images: Tensor, size: int, n: int, generator: torch.Generator) -> Tensor:
    """n square patches at random places of random images; uint8 (N, c, h, w) → float32 (n, c · size · size) in [0, 1]."""
    count, c, h, w = images.shape
    which, top, left = (torch.randint(high, (n, 1, 1, 1), generator=generator) for high in (count, h - size + 1, w - size + 1))
    step = torch.arange(size)
    patches = images[which, torch.arange(c).view(-1, 1, 1), top + step.view(-1, 1), left + step]  # (n, c, size, size)
    return to_float(patches).flatten(1)  # (n, c · size · size)


class PatchEncoder(nn.Module):
    """Images → contrast-normalised, whitened patches → comparison with the dictionary → average per cell → standardised.

    Made by `fit_patches`. A module like every encoder (float images in [0, 1] → (b, dim)), so `represent` takes it too;
    nothing in it is trained. Fresh from the constructor its dictionary is empty, ready to load saved weights.
    """

    def __init__(self, settings: PatchSettings, channels: int):
        super().__init__()
        self.settings, self.channels, self.dim = settings, channels, settings.dim
        p = channels * settings.patch**2
        self.mean, self.whiten = _fixed(p), _fixed(p, p)
        self.dictionary = _fixed(settings.filters, p)
        self.offset, self.scale = _fixed(self.dim), nn.Parameter(torch.ones(self.dim), requires_grad=False)

    def features(self, images: Tensor, *, standardise: bool = True, batch: int = 500) -> Tensor:
        """Features of images, uint8 (n, c, h, w) → float32 (n, dim) on the CPU; memory beyond the result does not grow with n.

        standardise  each feature minus its mean over training images, divided by its spread there; False: as averaged
        Raises ValueError for images of another type, another number of channels, or too small.
        """
        _check(images, self.settings)
        features = torch.empty(len(images), self.dim)
        for part, out in zip(images.split(batch), features.split(batch), strict=True):
            pooled = self.pooled(to_float(part.to(self.mean.device)))  # (batch, dim)
            out.copy_(self.standardised(pooled) if standardise else pooled)
        return features  # (n, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.standardised(self.pooled(x))  # (b, dim)

    def standardised(self, pooled: Tensor) -> Tensor:
        # (f − mean f) / sd f
        return (pooled - self.offset) / self.scale  # (b, dim)

    @torch.no_grad()
    def pooled(self, x: Tensor) -> Tensor:
        """Average activation of every filter in every cell: float images (b, c, h, w) in [0, 1] → float32 (b, dim)."""
        if x.shape[1] != self.channels:
            raise ValueError(f"The patches came from images with {self.channels} channel(s), these have {x.shape[1]}.")
        rows, columns = (side - self.settings.patch + 1 for side in x.shape[2:])
        cell = cells(rows, columns, self.settings.grid).to(x.device)  # (grid², l), l = rows · columns
        block = max(1, BLOCK // (rows * columns * self.settings.filters))
        return torch.cat([self._block(part, cell) for part in x.split(block)])  # (b, dim)

    def _block(self, x: Tensor, cell: Tensor) -> Tensor:
        patches = F.unfold(x, self.settings.patch).transpose(1, 2).contiguous()  # (b, l, p)
        normal = contrast_normalise(patches, self.settings.contrast).flatten(0, 1)  # (b · l, p)
        # W (x̂ − m)
        white = F.linear(normal - self.mean, self.whiten)  # (b · l, p)
        activations = triangle(white, self.dictionary).unflatten(0, (len(x), -1))  # (b, l, filters)
        # f = Σ activation over the cell's positions / their number
        return ((cell @ activations).float() / cell.sum(1, keepdim=True)).flatten(1)  # (b, grid², ·) → (b, dim)


def fit_patches(images: Tensor, settings: PatchSettings = PRESETS["quick"], seed: int = 0) -> PatchEncoder:
    """Whitening, dictionary and standardisation from training images without labels; uint8 (n, c, h, w).

    Raises ValueError for images of another type, images smaller than a patch (or with fewer patches than cells), and for
    fewer patches with any contrast than filters.
    """
    _check(images, settings)
    generator = torch.Generator().manual_seed(seed)
    raw = sample_patches(images, settings.patch, settings.patches, generator)  # (patches, p)
    raw = raw[raw.amax(1) > raw.amin(1)]  # of a flat patch nothing is left without its brightness
    if len(raw) < settings.filters:
        raise ValueError(
            f"Only {len(raw)} of {settings.patches} sampled patches are not flat, too few for {settings.filters} filters. "
            "Sample more patches, take larger ones, or ask for fewer filters."
        )
    encoder = PatchEncoder(settings, images.shape[1])
    normal = contrast_normalise(raw, settings.contrast)  # (n, p)
    encoder.mean.data, encoder.whiten.data = zca(normal, settings.whitening)
    white = (normal - encoder.mean) @ encoder.whiten  # (n, p)
    encoder.dictionary.data = _centres(white, settings, seed)  # (filters, p)
    sample = torch.randperm(len(images), generator=generator)[: settings.standardise_on]
    spread, mean = torch.std_mean(encoder.features(images[sample], standardise=False), 0, correction=0)  # (dim,), (dim,)
    encoder.offset.data, encoder.scale.data = mean, torch.where(spread > 1e-6 * mean, spread, torch.ones_like(spread))
    return encoder.eval()


def _centres(white: Tensor, settings: PatchSettings, seed: int) -> Tensor:
    """Centres (filters, p) of k-means clusters of whitened patches (n, p)."""
    clusters = MiniBatchKMeans(
        settings.filters, max_iter=settings.passes, batch_size=4096, n_init=1, random_state=seed, max_no_improvement=None
    )
    return torch.from_numpy(clusters.fit(white.numpy()).cluster_centers_).float()  # (filters, p)


def _fixed(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(*shape), requires_grad=False)


def _check(images: Tensor, settings: PatchSettings) -> None:
    if images.dtype != torch.uint8 or images.ndim != 4 or len(images) == 0:
        raise ValueError(f"Expected images uint8 (n, c, h, w) with n ≥ 1, got {images.dtype} {tuple(images.shape)}.")
    needed, smallest = settings.patch + settings.grid - 1, min(images.shape[2:])
    if smallest < needed:
        raise ValueError(
            f"Images of {images.shape[2]} × {images.shape[3]} pixels are too small: patches of {settings.patch} pixels in "
            f"{settings.grid} × {settings.grid} cells need at least {needed} a side. Take smaller patches or larger images."
        )
