"""The yardstick: features nobody trained. Whitened patches of the training images as filters, then a linear probe.

Adam Coates, Honglak Lee, Andrew Y. Ng, "An Analysis of Single-Layer Networks in Unsupervised Feature Learning" (2011).
No gradient, no labels: patches are sampled, whitened and clustered, and every patch of an image is compared with the
centres. What a learned encoder is worth is what it adds to this.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor, nn

from latentlab.data import to_float

PATCH = 6  # pixels a side
CONTRAST = 10 / 255**2  # added to a patch's variance, pixels in [0, 1]: keeps the noise of flat patches small
WHITENING = 0.1  # added to the eigenvalues of the patches' covariance
GRID = 2  # averaged over GRID × GRID cells of the image
PASSES = 10  # of k-means over the patches
STANDARDISE_ON = 5000  # images that give each feature's mean and spread
BLOCK = 2**20  # activations computed at a time (elements): small enough to stay in a processor's cache


@dataclass(frozen=True)
class PatchSettings:
    """How many filters, and how many patches are sampled for whitening and dictionary."""

    filters: int = 128
    patches: int = 100_000


PRESETS = {
    "quick": PatchSettings(),  # 512 dimensions, as many as the learned encoder is allowed
    "cpu": PatchSettings(filters=1600, patches=200_000),  # 6,400 dimensions: as in the paper, minutes on two cores
}


def contrast_normalise(patches: Tensor, regulariser: float = CONTRAST) -> Tensor:
    """Patches (..., p), pixels in [0, 1], without brightness (exactly) and contrast (up to the regulariser)."""
    # x − x̄
    centred = patches - patches.mean(-1, keepdim=True)  # (..., p)
    # x̂ = (x − x̄) / √(var x + c)
    return centred / (centred.square().mean(-1, keepdim=True) + regulariser).sqrt()


def zca(patches: Tensor, regulariser: float = WHITENING) -> tuple[Tensor, Tensor]:
    """Mean (p,) of patches (n, p), and the symmetric W (p, p) that gives them unit covariance up to the regulariser."""
    mean = patches.mean(0)  # (p,)
    centred = (patches - mean).double()
    # C = Xᵀ X / n = V Λ Vᵀ
    eigenvalues, v = torch.linalg.eigh(centred.T @ centred / len(patches))  # (p,), (p, p)
    # W = V (Λ + ε)^−½ Vᵀ
    return mean, (v * (eigenvalues.clamp_min(0) + regulariser).rsqrt() @ v.T).float()


def triangle(x: Tensor, centres: Tensor) -> Tensor:
    """How much nearer than the average centre: whitened patches x (r, p), centres (k, p) → (r, k) ≥ 0, half zero."""
    # z² = |x|² + |c|² − 2 x·c
    z = F.linear(x, -2 * centres, centres.square().sum(1))  # (r, k)
    z += x.float().square().sum(1, keepdim=True).to(z.dtype)
    z.clamp_min_(0).sqrt_()
    # max(0, z̄ − z)
    return torch.sub(z.mean(1, keepdim=True), z, out=z).clamp_min_(0)


def sample_patches(images: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """n patches at random places of random images; uint8 (N, c, h, w) → float32 (n, p = c · PATCH²) in [0, 1]."""
    count, c, h, w = images.shape
    highs = count, h - PATCH + 1, w - PATCH + 1
    which, top, left = (torch.randint(high, (n, 1, 1, 1), generator=generator) for high in highs)
    step = torch.arange(PATCH)
    patches = images[which, torch.arange(c).view(-1, 1, 1), top + step.view(-1, 1), left + step]  # (n, c, PATCH, PATCH)
    return to_float(patches).flatten(1)  # (n, p)


class PatchEncoder(nn.Module):
    """Images → normalised, whitened patches → comparison with the dictionary → average per cell → standardised.

    Made by `fit_patches`; a module like every encoder, but nothing in it is trained.
    """

    def __init__(self, mean: Tensor, whiten: Tensor, dictionary: Tensor):
        super().__init__()
        dim = len(dictionary) * GRID**2
        fixed = {"mean": mean, "whiten": whiten, "dictionary": dictionary}  # (p,), (p, p), (filters, p)
        fixed |= {"offset": torch.zeros(dim), "scale": torch.ones(dim)}
        for name, value in fixed.items():
            self.register_parameter(name, nn.Parameter(value, requires_grad=False))

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Average activation of every filter in every cell: float images (b, c, h, w) in [0, 1] → float32 (b, dim)."""
        if x.shape[1] * PATCH**2 != len(self.mean):
            known = len(self.mean) // PATCH**2
            raise ValueError(f"The patches came from images with {known} channel(s), these have {x.shape[1]}.")
        sides = [side - PATCH + 1 for side in x.shape[2:]]  # rows and columns of positions, l in all
        row, column = (torch.arange(side) * GRID // side for side in sides)  # (rows,), (columns,)
        number = (row[:, None] * GRID + column).flatten()  # (l,): the cell of every position
        cell = F.one_hot(number, GRID**2).T.float().to(x.device)  # (GRID², l)
        block = max(1, BLOCK // (len(number) * len(self.dictionary)))
        features = torch.cat([self._block(part, cell) for part in x.split(block)])  # (b, dim)
        # (f − mean f) / sd f
        return (features - self.offset) / self.scale  # (b, dim)

    def _block(self, x: Tensor, cell: Tensor) -> Tensor:
        patches = F.unfold(x, PATCH).transpose(1, 2).contiguous()  # (b, l, p)
        normal = contrast_normalise(patches).flatten(0, 1)  # (b · l, p)
        # W (x̂ − m)
        white = F.linear(normal - self.mean, self.whiten)  # (b · l, p)
        activations = triangle(white, self.dictionary).unflatten(0, (len(x), -1))  # (b, l, filters)
        # f = Σ activation over the cell's positions / their number
        return ((cell @ activations).float() / cell.sum(1, keepdim=True)).flatten(1)  # (b, GRID², ·) → (b, dim)


def fit_patches(images: Tensor, settings: PatchSettings = PRESETS["quick"], seed: int = 0) -> PatchEncoder:
    """Whitening, dictionary and standardisation from training images without labels; uint8 (n, c, h, w).

    Raises ValueError for images of another type, too small ones, and too few patches with any contrast.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or len(images) == 0:
        raise ValueError(f"Expected images uint8 (n, c, h, w) with n ≥ 1, got {images.dtype} {tuple(images.shape)}.")
    if min(images.shape[2:]) < PATCH + GRID - 1:
        raise ValueError(f"Images {tuple(images.shape[2:])} are too small: at least {PATCH + GRID - 1} pixels a side.")
    generator = torch.Generator().manual_seed(seed)
    raw = sample_patches(images, settings.patches, generator)  # (patches, p)
    raw = raw[raw.amax(1) > raw.amin(1)]  # of a flat patch nothing is left without its brightness
    if len(raw) < settings.filters:
        said = f"Only {len(raw)} of {settings.patches} sampled patches are not flat"
        raise ValueError(f"{said}, too few for {settings.filters} filters: sample more, or ask for fewer.")
    normal = contrast_normalise(raw)  # (n, p)
    mean, whiten = zca(normal)  # (p,), (p, p)
    clusters = MiniBatchKMeans(
        settings.filters, max_iter=PASSES, batch_size=4096, n_init=1, random_state=seed, max_no_improvement=None
    )
    centres = clusters.fit(((normal - mean) @ whiten).numpy()).cluster_centers_  # (filters, p)
    encoder = PatchEncoder(mean, whiten, torch.from_numpy(centres).float())
    sample = images[torch.randperm(len(images), generator=generator)[:STANDARDISE_ON]]
    features = torch.cat([encoder(to_float(part)) for part in sample.split(500)])  # (n, dim)
    spread, mean = torch.std_mean(features, 0, correction=0)  # (dim,), (dim,)
    encoder.offset.data, encoder.scale.data = mean, torch.where(spread > 1e-6 * mean, spread, torch.ones_like(spread))
    return encoder.eval()
