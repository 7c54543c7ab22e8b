"""Latent optimisation: codes of images as free numbers that training moves directly, without an encoder."""

import copy
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from latentlab.augment import Views, colour, geometry
from latentlab.data import to_float
from latentlab.losses import VICRegWeights, vicreg
from latentlab.models.codes import CodeTable, Decoder
from latentlab.recipes.contract import seeded
from latentlab.training import Budget, History, fit

KINDS = {
    "views": "two free codes per image, one for each view, under VICReg's loss: no picture enters",
    "decoder": "one code per image and one decoder for all; the decoded picture matches the image under every view",
    "shared encoder": "the control: as 'decoder', but the codes come out of one linear layer that all images share",
    "decoder+spread": "as 'decoder', with VICReg's variance and covariance terms on the codes",
}


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run of latent optimisation but its kind and its seed."""

    data: str = "shapes10"
    images: int = 1000
    side: int = 20  # the images are made so large
    dim: int = 128
    views: Views = Views(16, scale=(0.8, 1.0), mix=1.0)  # crop, flip, colour mixing only: all are linear
    width: int = 16  # of the decoder
    weights: VICRegWeights = field(default_factory=VICRegWeights)
    error_weight: float = 100.0  # of the view error, a mean over pixels, beside VICReg's terms
    stride: float = 30.0  # codes move so many times faster than the decoder's weights
    budget: Budget = Budget(epochs=24, batch=128, learning_rate=2e-3, weight_decay=0.0)


_cifar = Settings(data="cifar10", images=10_000, side=32, views=Views(32, scale=(0.2, 1.0), mix=0.3), width=64)
_cifar = replace(_cifar, budget=replace(_cifar.budget, batch=256))
PRESETS = {"quick": Settings(), "cpu": _cifar, "gpu": replace(_cifar, images=50_000)}


@dataclass
class Codes:
    """The codes of n images and what made them."""

    codes: Tensor  # (n, dim); for "views" the mean of the two
    copies: Tensor  # (n, 1, dim), or (n, 2, dim) for "views"
    history: History
    decoder: Decoder | None = None  # None for "views"


def draw_views(views: Views, shape: tuple[int, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
    """Matrices of random views of images (b, c, h, w): rows (b, size, h), columns (b, size, w), colours (b, c, c).

    The same parameters, in the same order, as `views(images, generator)` draws. Raises ValueError for non-linear views.
    """
    b, c, h, w = shape
    if views.jitter is not None or views.grey or views.blur:
        raise ValueError(f"Only crop, flip and colour mixing can be undone into matrices here, got {views}.")
    top, left, height, width = geometry.random_boxes(b, h, w, views.scale, generator).unbind(1)  # (b,) each
    flip = geometry.random_choice(b, views.flip, generator) if views.flip else None
    as_is = torch.eye(c, device=generator.device).expand(b, c, c)
    colours = colour.random_mixing(b, views.mix, generator) if views.mix and c == 3 else as_is
    rows = geometry.interpolation(top, height, h, views.size)
    return rows, geometry.interpolation(left, width, w, views.size, flip), colours


def apply_views(images: Tensor, rows: Tensor, columns: Tensor, colours: Tensor) -> Tensor:
    """The linear part of the views, colours · (rows · image · columnsᵀ); (b, c, h, w) → (b, c, size, size)."""
    b, c = images.shape[:2]
    views = rows[:, None] @ images @ columns.mT[:, None]  # (b, c, size, size)
    return torch.bmm(colours, views.flatten(2)).view(b, c, *views.shape[2:])  # (b, c, size, size)


def view_error(decoded: Tensor, images: Tensor, matrices: tuple[Tensor, ...]) -> Tensor:
    """Mean squared difference of decoded pictures and images under the same views; (b, c, h, w) each → scalar."""
    # A view is affine, T(x) = L x + t, and t is the same on both sides: ‖T(G(z)) − T(x)‖² = ‖L (G(z) − x)‖²
    return apply_views(decoded.float() - images, *matrices).square().mean()


class SharedCodes(nn.Module):
    """Codes of images (n, c, h, w) out of one linear layer, called as a `CodeTable` is; rows (b,) → (b, 1, dim)."""

    def __init__(self, images: Tensor, dim: int):
        super().__init__()
        self.register_buffer("x", to_float(images).flatten(1) - 0.5, persistent=False)  # (n, c·h·w)
        self.layer = nn.Linear(self.x.shape[1], dim)

    def forward(self, rows: Tensor) -> Tensor:
        return self.layer(self.x[rows])[:, None]  # (b, 1, dim)


class CodeTask:
    """The loss of a "table" of codes in `module`: VICReg's of two per image, or the view error of its "decoder"."""

    def __init__(self, module: nn.ModuleDict, images: Tensor, settings: Settings, spread: bool):
        self.module, self.images, self.samples = module, images, len(images)  # images: uint8 (n, c, h, w)
        self.settings, self.spread = settings, spread

    def terms(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        rows = indices.to(self.images.device)  # (b,)
        codes = self.module["table"](rows)  # (b, copies, dim)
        z = codes[:, 0]  # (b, dim)
        if "decoder" not in self.module:
            return vicreg(z, codes[:, 1], self.settings.weights)
        x, decoded = to_float(self.images[rows]), self.module["decoder"](z)  # (b, c, h, w) each
        with torch.autocast(x.device.type, enabled=False):
            error = view_error(decoded, x, draw_views(self.settings.views, x.shape, generator))
        both = vicreg(z, z, self.settings.weights)  # the two views of an image share its code: invariance is 0
        # λ' · 1/b Σ_i ‖T_i(G(z_i)) − T_i(x_i)‖² [+ μ v(Z) + ν c(Z)]
        loss = self.settings.error_weight * error + (both["loss"] if self.spread else 0.0)
        return {"loss": loss, "view error": error, "variance": both["variance"], "covariance": both["covariance"]}

    def test_terms(self, generator: torch.Generator) -> dict[str, Tensor]:
        return {}


def optimise(
    kind: str, images: Tensor, settings: Settings = PRESETS["quick"], *, decoder: Decoder | None = None, seed: int = 0,
    device: torch.device | str = "cpu", show: bool = True,
) -> Codes:  # fmt: skip
    """Optimise one code per image (or per view) directly; images (n, c, h, w) uint8 → Codes.

    kind     a key of KINDS; "views" only counts the images: its loss never looks at a picture
    decoder  a trained one, which stays as it is: the way in which new images get their codes
    Raises ValueError for an unknown kind, a decoder for "views", or fewer images than a batch.
    """
    if kind not in KINDS:
        raise ValueError(f"There is no kind {kind!r} of latent optimisation; choose {', '.join(KINDS)}.")
    if kind == "views" and decoder is not None:
        raise ValueError("Codes of the kind 'views' never meet a picture, so a decoder has nothing to do.")
    n, channels, side, _ = images.shape
    copies, g = 2 if kind == "views" else 1, torch.Generator().manual_seed(seed)
    table = CodeTable(n, settings.dim, g, copies=copies, stride=settings.stride)
    with seeded(seed):
        fresh = Decoder(settings.dim, channels, side, settings.width)
        if kind == "shared encoder":
            table = SharedCodes(images, settings.dim)
    module = nn.ModuleDict({"table": table})
    if kind != "views":
        module["decoder"] = fresh if decoder is None else copy.deepcopy(decoder).requires_grad_(False)
    task = CodeTask(module, images.to(device), settings, spread=kind == "decoder+spread")
    history = fit(task, settings.budget, seed=seed, device=device, title=f"latent optimisation: {kind}", show=show)
    found = table(torch.arange(n, device=device)).detach().cpu()  # (n, copies, dim)
    decoder = module["decoder"].cpu().requires_grad_(False) if kind != "views" else None
    return Codes(found.mean(dim=1), found, history, decoder)


@torch.no_grad()
def decode(decoder: Decoder, z: Tensor) -> Tensor:
    """Pictures of codes z (m, dim) → floats (m, c, h, w) clipped to [0, 1]."""
    return torch.cat([decoder(part).clamp(0, 1) for part in z.split(500)])  # (m, c, h, w)


@torch.no_grad()
def named_by_views(codes: Codes, images: Tensor, views: Views, generator: torch.Generator) -> float:
    """Share of pictures that their code names: under a random view T, T(G(z_i)) is nearest to T(x_i) of all T(x_j)."""
    x, decoded = to_float(images), decode(codes.decoder, codes.codes)  # (n, c, h, w) each
    n, hits = len(x), 0
    for i in range(n):
        matrices = draw_views(views, (1, *x.shape[1:]), generator)
        seen = apply_views(decoded[i : i + 1] - x, *(m.expand(n, *m.shape[1:]) for m in matrices))  # (n, c, size, size)
        hits += int(seen.square().sum((1, 2, 3)).argmin()) == i
    return hits / n  # 1/n if the codes know nothing


@torch.no_grad()
def recode(codes: Codes, matrix: Tensor) -> Codes:
    """Codes z·A and a first layer of the decoder that undoes A (dim, dim), invertible: the same pictures."""
    decoder = copy.deepcopy(codes.decoder)
    # z' W'ᵀ = z A W'ᵀ = z Wᵀ  for  W'ᵀ = A⁻¹ Wᵀ
    decoder.first.weight.copy_(torch.linalg.solve(matrix.double(), decoder.first.weight.T.double()).T)  # (outputs, dim)
    changed = (codes.copies.double() @ matrix.double()).float()  # (n, copies, dim)
    return replace(codes, codes=changed.mean(dim=1), copies=changed, decoder=decoder)


def multiplications(network: nn.Module, example: Tensor) -> int:
    """Multiply-adds of one forward pass of `network` for one sample; `example` is a batch (b, …)."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(example)
    return counter.get_total_flops() // 2 // len(example)
