"""Latent optimisation: codes of images as free numbers that training moves directly, without an encoder."""

import copy
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from latentlab.augment import Views, colour, geometry
from latentlab.data import to_float
from latentlab.evaluation import neighbours as nearest
from latentlab.evaluation.arrays import Array, as_features
from latentlab.losses import VICRegWeights, vicreg
from latentlab.losses.vicreg import covariance_matrix
from latentlab.models.codes import CodeTable, Decoder
from latentlab.training import Budget, History, fit

from ..represent import pixels

KINDS = {
    "views": "two free codes per image, one for each view, under VICReg's loss",
    "image": "one free code per image, which both branches of VICReg's loss get",
    "graph": "one free code per image; VICReg's second branch gets the code of a neighbour",
    "decoder": "one code per image and one decoder for all; the decoded picture matches the image under every view",
    "decoder+spread": "the same with VICReg's variance and covariance terms on the codes",
}
DECODED = ("decoder", "decoder+spread")


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run of latent optimisation but its kind and its seed."""

    data: str = "shapes10"
    images: int = 3000
    dim: int = 128
    views: Views = Views(16, scale=(0.8, 1.0), mix=1.0)  # for the decoder kinds: crop, flip, colour mixing only (all are linear)
    width: int = 32  # of the decoder
    neighbours: int = 5  # for the graph
    weights: VICRegWeights = field(default_factory=VICRegWeights)
    error_weight: float = 100.0  # of the view error, a mean over pixels, beside VICReg's terms
    stride: float = 30.0  # codes move so many times faster than the decoder's weights
    budget: Budget = field(default_factory=lambda: Budget(epochs=24, batch=256, learning_rate=2e-3, weight_decay=0.0))


_cifar = Settings(data="cifar10", images=10_000, views=Views(32, scale=(0.2, 1.0), mix=0.3), width=64)
PRESETS = {
    "quick": Settings(),
    "cpu": _cifar,
    "gpu": replace(_cifar, images=50_000),
}


@dataclass
class Codes:
    """The codes of n images and what made them."""

    kind: str
    codes: Tensor  # (n, dim); for "views" the mean of the two codes
    copies: Tensor  # (n, 1, dim), or (n, 2, dim) for "views"
    history: History
    decoder: Decoder | None  # None for kinds without one
    features: Tensor | None  # (n, f): in what the graph's neighbours are near; None for other kinds
    settings: Settings
    seed: int

    @property
    def seconds_per_step(self) -> float:
        return self.history.seconds / max(1, self.history.steps)


# ---- views that can be differentiated ------------------------------------------------------------------------------


def draw_views(views: Views, b: int, h: int, w: int, generator: torch.Generator, channels: int = 3) -> tuple[Tensor, ...]:
    """Matrices of b random views: rows (b, size, h), columns (b, size, w), colours (b, channels, channels).

    The same parameters, in the same order, as `views(images, generator)` draws. Raises ValueError for a step that is not linear.
    """
    if views.rotation or views.shift or views.jitter is not None or views.grey or views.blur:
        raise ValueError(f"Only crop, flip and colour mixing can be undone into matrices here, got {views}.")
    top, left, height, width = geometry.random_boxes(b, h, w, views.scale, views.ratio, generator).unbind(1)  # (b,) each
    flip = geometry.random_choice(b, views.flip, generator) if views.flip else None
    colours = torch.eye(channels, device=generator.device).expand(b, channels, channels)
    if views.mix and channels == 3:
        colours = colour.random_mixing(b, views.mix, generator)
    rows = geometry.interpolation(top, height, h, views.size)
    return rows, geometry.interpolation(left, width, w, views.size, flip), colours


def apply_views(images: Tensor, rows: Tensor, columns: Tensor, colours: Tensor) -> Tensor:
    """The linear part of the views: colours · (rows · image · columnsᵀ) for every image; (b, c, h, w) → (b, c, size, size)."""
    b, c = images.shape[:2]
    views = rows[:, None] @ images @ columns.mT[:, None]  # (b, c, size, size)
    return torch.bmm(colours, views.flatten(2)).view(b, c, *views.shape[2:])  # (b, c, size, size)


def view_error(decoded: Tensor, images: Tensor, matrices: tuple[Tensor, ...]) -> Tensor:
    """Mean squared difference of decoded pictures and images under the same views; (b, c, h, w) each, floats → scalar."""
    # A view is affine, T(x) = L x + t, and t is the same on both sides: ‖T(G(z)) − T(x)‖² = ‖L (G(z) − x)‖²
    return apply_views(decoded.float() - images, *matrices).square().mean()


# ---- what is optimised ---------------------------------------------------------------------------------------------


class _Model(nn.Module):
    def __init__(self, table: CodeTable, decoder: Decoder | None):
        super().__init__()
        self.table, self.decoder = table, decoder


class PairTask:
    """VICReg's loss on free codes: the kinds "views", "image" and "graph". No picture enters; `partners` does for "graph"."""

    def __init__(self, table: CodeTable, weights: VICRegWeights, partners: Tensor | None = None):
        self.module, self.weights, self.partners = _Model(table, None), weights, partners
        self.samples = len(table.weight)

    def terms(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        table = self.module.table
        rows = indices.to(table.weight.device)  # (b,)
        codes = table(rows)  # (b, copies, dim)
        first, second = codes[:, 0], codes[:, -1]  # (b, dim) each
        if self.partners is not None:
            choice = torch.randint(self.partners.shape[1], (len(rows),), generator=generator, device=rows.device)
            second = table(self.partners[rows, choice])[:, 0]  # (b, dim)
        return vicreg(first, second, self.weights)

    def test_terms(self, generator: torch.Generator) -> dict[str, Tensor]:
        everybody = torch.arange(self.samples)  # nothing is held out: the same terms on the whole table at once
        return self.terms(everybody, generator)


class DecoderTask:
    """One code per image; the decoded picture matches the image under random views. A frozen decoder is kept out of `module`."""

    def __init__(self, table: CodeTable, decoder: Decoder, images: Tensor, settings: Settings, *, spread: bool, frozen: bool):
        self.module, self.decoder = _Model(table, None if frozen else decoder), decoder
        self.images, self.samples = images, len(images)  # uint8
        self.settings, self.spread = settings, spread

    def terms(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        rows = indices.to(self.images.device)  # (b,)
        z = self.module.table(rows)[:, 0]  # (b, dim)
        x = to_float(self.images[rows])  # (b, c, h, w)
        decoded = self.decoder(z)  # (b, c, h, w)
        with torch.autocast(x.device.type, enabled=False):
            b, c, h, w = x.shape
            error = view_error(decoded, x, draw_views(self.settings.views, b, h, w, generator, c))
        both = vicreg(z, z, self.settings.weights)  # the two views of an image share its code: invariance is 0
        # λ' · 1/b Σ_i ‖T_i(G(z_i)) − T_i(x_i)‖² [+ μ v(Z) + ν c(Z)]
        loss = self.settings.error_weight * error + (both["loss"] if self.spread else 0.0)
        return {"loss": loss, "view error": error, "variance": both["variance"], "covariance": both["covariance"]}

    def test_terms(self, generator: torch.Generator) -> dict[str, Tensor]:
        return {}


def optimise(
    kind: str,
    images: Tensor,
    settings: Settings = PRESETS["quick"],
    *,
    features: Array | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    show: bool = True,
) -> Codes:
    """Optimise one code per image (or per view) directly; images (n, c, h, w) uint8 → Codes.

    kind  a key of KINDS      features (n, f)  in what the graph's neighbours are near; the pixels by default
    "views" and "image" only count the images: their loss never looks at a picture.
    Raises ValueError for an unknown kind, or fewer images than a batch.
    """
    if kind not in KINDS:
        raise ValueError(f"There is no kind {kind!r} of latent optimisation; choose {', '.join(KINDS)}.")
    generator = torch.Generator().manual_seed(seed)
    n, channels, side, _ = images.shape
    table = CodeTable(n, settings.dim, generator, copies=2 if kind == "views" else 1, stride=settings.stride)
    decoder, found = None, None
    if kind in DECODED:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            decoder = Decoder(settings.dim, channels, side, settings.width)
        task = DecoderTask(table, decoder, images.to(device), settings, spread=kind == "decoder+spread", frozen=False)
    elif kind == "graph":
        found = pixels(images) if features is None else as_features(features)  # (n, f)
        if len(found) != n:
            raise ValueError(f"There are {len(found)} rows of features for {n} images; expected one row for each image.")
        partners = nearest(found, found, settings.neighbours, metric="euclidean", exclude_self=True)[1]  # (n, k)
        task = PairTask(table, settings.weights, partners.to(device))
    else:
        task = PairTask(table, settings.weights)
    history = fit(task, settings.budget, seed=seed, device=device, title=f"latent optimisation: {kind}", show=show)
    copies = table.all().cpu()  # (n, copies, dim)
    decoder = None if decoder is None else decoder.cpu().requires_grad_(False)
    return Codes(kind, copies.mean(dim=1), copies, history, decoder, found, settings, seed)


# ---- what can be done with them ------------------------------------------------------------------------------------


def codes_for_new(
    codes: Codes,
    images: Tensor,
    *,
    steps: int = 100,
    features: Array | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    show: bool = True,
) -> Tensor:
    """Codes of images that took no part; uint8 (m, c, h, w), m ≥ 2 → (m, dim).

    With a decoder: it is frozen and each new code takes `steps` steps of its own optimisation. With a graph: the mean of the
    codes of the nearest old images (`features` (m, f) if the graph was built on features).
    Raises ValueError for the kinds that cannot do it.
    """
    if codes.kind == "graph":
        new = pixels(images) if features is None else as_features(features)
        rows = nearest(new, codes.features, codes.settings.neighbours, metric="euclidean")[1]  # (m, k)
        return codes.codes[rows].mean(dim=1)  # (m, k, dim) → (m, dim)
    if codes.decoder is None:
        raise ValueError(
            f"Codes of the kind {codes.kind!r} have nothing to say about a new image: their loss never saw a picture, so no "
            "function leads from an image to its code. Use 'decoder' (optimise a new code under the frozen decoder) or 'graph'."
        )
    settings = codes.settings
    table = CodeTable(len(images), settings.dim, torch.Generator().manual_seed(seed), stride=settings.stride)
    decoder = copy.deepcopy(codes.decoder).to(device)
    task = DecoderTask(table, decoder, images.to(device), settings, spread=False, frozen=True)
    budget = replace(settings.budget, epochs=steps, minutes=None, batch=min(settings.budget.batch, len(images)))
    fit(task, budget, seed=seed, device=device, title="codes of new images", show=show)
    return table.all()[:, 0].cpu()  # (m, dim)


@torch.no_grad()
def decode(codes: Codes, z: Tensor | None = None, *, batch: int = 500) -> Tensor:
    """Pictures of codes z (m, dim), by default of the images' own; → floats (m, c, h, w) clipped to [0, 1]."""
    if codes.decoder is None:
        raise ValueError(f"Codes of the kind {codes.kind!r} have no decoder, so there is nothing to show.")
    return torch.cat([codes.decoder(part).clamp(0, 1) for part in (codes.codes if z is None else z).split(batch)])  # (m, c, h, w)


@torch.no_grad()
def recode(codes: Codes, matrix: Tensor) -> Codes:
    """Codes z·A and a first layer of the decoder that undoes A: the same pictures, for any invertible matrix A (dim, dim).

    So the objective without VICReg's terms says nothing on the spread and the correlations of the codes.
    """
    if codes.decoder is None:
        raise ValueError(f"Codes of the kind {codes.kind!r} have no decoder that could undo a change of the codes.")
    decoder = copy.deepcopy(codes.decoder)
    # z' W'ᵀ = z A W'ᵀ = z Wᵀ  for  W'ᵀ = A⁻¹ Wᵀ
    decoder.first.weight.copy_(torch.linalg.solve(matrix.double(), decoder.first.weight.T.double()).T)  # (outputs, dim)
    changed = (codes.copies.double() @ matrix.double()).float()  # (n, copies, dim)
    return replace(codes, codes=changed.mean(dim=1), copies=changed, decoder=decoder)


def whitening(z: Tensor, spread: float = 1.0) -> Tensor:
    """The matrix A (dim, dim) for which z·A has covariance spread²·I; raises ValueError if z (n, dim) fills fewer."""
    values, vectors = torch.linalg.eigh(covariance_matrix(z.double()))  # (dim,), (dim, dim)
    if values[0] <= 1e-12 * values[-1]:
        raise ValueError(f"The {len(z)} codes do not fill their {z.shape[1]} dimensions; only more images than dimensions can.")
    return vectors / values.sqrt() * spread  # (dim, dim)


# ---- what it costs -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """What has to be kept for n images, and what a new image's code costs. Exact numbers, not times."""

    numbers: int  # weights and codes
    passes: int | None  # passes through the network for one new code, forward or backward; None: no code can be had
    multiplications: int | None  # multiply-adds of these passes


def multiplications(network: nn.Module, example: Tensor) -> int:
    """Multiply-adds of one forward pass of `network` for one sample; `example` is a batch (b, …)."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(example)
    return counter.get_total_flops() // 2 // len(example)


def encoder_cost(encoder: nn.Module, example: Tensor) -> Cost:
    """An encoder: its weights, however many images there are, and one forward pass for a new one."""
    return Cost(sum(p.numel() for p in encoder.parameters()), 1, multiplications(copy.deepcopy(encoder).eval(), example))


def code_cost(images: int, dim: int = 128, *, per_image: int = 1, decoder: Decoder | None = None, steps: int = 100) -> Cost:
    """Free codes: images · per_image · dim numbers and the decoder's weights, if there is one.

    A new image takes `steps` passes forward and as many back to its code, each with the multiply-adds of a forward pass
    (the gradients of the frozen weights are not needed); without a decoder it cannot get a code.
    """
    numbers = images * per_image * dim
    if decoder is None:
        return Cost(numbers, None, None)
    weights = sum(p.numel() for p in decoder.parameters())
    return Cost(numbers + weights, 2 * steps, 2 * steps * multiplications(decoder, torch.zeros(1, dim)))
