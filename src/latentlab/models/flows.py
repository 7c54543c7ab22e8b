"""Normalising flows: invertible maps from a simple base to the data, each with the logarithm of its volume change.

Planar flow: D. Rezende, S. Mohamed, "Variational inference with normalizing flows", ICML 2015, eq. 10 and appendix A.1.
Affine coupling: L. Dinh, J. Sohl-Dickstein, S. Bengio, "Density estimation using Real NVP", ICLR 2017, eq. 7–8.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BOUND = 2.0  # |log scale| of one coupling, so that no layer explodes


class Planar(nn.Module):
    """x = u + v tanh(w·u + b): a push along v whose strength depends on the side of a plane; (n, d) → (n, d).

    `constrain` moves v so that w·v > −1, which makes it invertible; without it, others raise ValueError.
    """

    def __init__(self, dim: int, *, constrain: bool = True):
        super().__init__()
        self.w, self.v = (nn.Parameter(0.5 * torch.randn(dim)) for _ in range(2))
        self.b, self.constrain = nn.Parameter(torch.zeros(())), constrain

    def push(self) -> Tensor:
        """v, after the constraint; (d,)."""
        along = self.w @ self.v
        if not self.constrain:
            if along < -1:
                raise ValueError(f"w·v = {along.item():.3g} < −1: this map is not invertible. Use constrain=True.")
            return self.v
        # v̂ = v + (−1 + log(1 + e^{w·v}) − w·v) w / |w|²
        return self.v + (F.softplus(along) - 1 - along) * self.w / self.w.square().sum()

    def forward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        v = self.push()
        h = torch.tanh(u @ self.w + self.b)  # (n,)
        # log |det ∂x/∂u| = log |1 + tanh′(w·u + b) w·v|
        return u + h[:, None] * v, ((1 - h**2) * (self.w @ v)).log1p()

    @torch.no_grad()
    def inverse(self, x: Tensor, steps: int = 80) -> tuple[Tensor, Tensor]:
        """By bisection: a = w·u solves a + w·v tanh(a + b) = w·x, a rising function of a; (n, d) → (n, d), (n,)."""
        v = self.push()
        along, target = self.w @ v, x @ self.w  # (), (n,)
        low, high = target - along.abs() - 1, target + along.abs() + 1  # (n,) each
        for _ in range(steps):
            middle = (low + high) / 2
            above = middle + along * torch.tanh(middle + self.b) > target
            low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        u = x - torch.tanh(low + self.b)[:, None] * v
        return u, -self.forward(u)[1]


class Coupling(nn.Module):
    """x = m ⊙ u + (1 − m) ⊙ (u ⊙ exp s(m ⊙ u) + t(m ⊙ u)): half stays, and moves the other half; (n, d) → (n, d).

    mask (d,) of 0 and 1; or (c, h, w) for pixels, whose s and t are computed by convolutions.
    Raises ValueError if it keeps everything or nothing.
    """

    def __init__(self, mask: Tensor, hidden: int = 64):
        super().__init__()
        if not 0 < mask.sum() < mask.numel():
            raise ValueError("A coupling's mask must keep some coordinates and move others.")
        self.register_buffer("mask", mask.flatten().float())
        d, c = mask.numel(), len(mask)
        if mask.ndim == 1:
            layers = [nn.Linear(d, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, 2 * d)]
        else:
            sizes = [(c, hidden, 3), (hidden, hidden, 1), (hidden, 2 * c, 3)]
            layers = [nn.Conv2d(a, b, size, padding=size // 2) for a, b, size in sizes]
        nn.init.zeros_(layers[-1].weight)  # the flow begins as the identity
        nn.init.zeros_(layers[-1].bias)
        self.net = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])  # (n, 2d) or (n, 2c, h, w)
        self.shape = tuple(mask.shape)

    def scale_and_shift(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        seen = (kept * self.mask).unflatten(1, self.shape)  # (n, d) or (n, c, h, w)
        s, t = self.net(seen).flatten(1).chunk(2, dim=1)  # (n, d) each
        moved = 1 - self.mask
        return BOUND * torch.tanh(s / BOUND) * moved, t * moved

    def forward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self.scale_and_shift(u)
        # log |det ∂x/∂u| = Σ s
        return u * s.exp() + t, s.sum(1)

    def inverse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """One formula, as cheap as forward: the kept half is there already."""
        s, t = self.scale_and_shift(x)
        return (x - t) * (-s).exp(), -s.sum(1)


class Affine(nn.Module):
    """x = u ⊙ exp a + b, the same for all samples; `start_at` takes them from data, so that u begins standardised."""

    def __init__(self, dim: int):
        super().__init__()
        self.a, self.b = nn.Parameter(torch.zeros(dim)), nn.Parameter(torch.zeros(dim))

    @torch.no_grad()
    def start_at(self, x: Tensor) -> None:
        """From data points (n, d)."""
        self.a.copy_(x.std(0).log())
        self.b.copy_(x.mean(0))

    def forward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        return u * self.a.exp() + self.b, self.a.sum().expand(len(u))

    def inverse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return (x - self.b) * (-self.a).exp(), -self.a.sum().expand(len(x))


class Unsqueeze(nn.Module):
    """Four channels become a 2 × 2 patch of one: (n, 4c·h·w) → (n, c·2h·2w); pixels change their places only."""

    def __init__(self, shape: tuple[int, int, int]):
        super().__init__()
        self.shape = shape  # (4c, h, w)

    def forward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        return F.pixel_shuffle(u.unflatten(1, self.shape), 2).flatten(1), u.new_zeros(len(u))

    def inverse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        c, h, w = self.shape
        return F.pixel_unshuffle(x.unflatten(1, (c // 4, 2 * h, 2 * w)), 2).flatten(1), x.new_zeros(len(x))


class Flow(nn.Module):
    """Layers one after the other on a standard normal base: sample by `forward`, evaluate by `inverse`."""

    def __init__(self, layers: Sequence[nn.Module]):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Base points (n, d) → data points (n, d), and log |det ∂x/∂u| (n,)."""
        total = torch.zeros(len(u), dtype=u.dtype, device=u.device)
        for layer in self.layers:
            u, change = layer(u)
            total = total + change
        return u, total

    def inverse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Data points (n, d) → base points (n, d), and log |det ∂u/∂x| (n,)."""
        total = torch.zeros(len(x), dtype=x.dtype, device=x.device)
        for layer in reversed(self.layers):
            x, change = layer.inverse(x)
            total = total + change
        return x, total

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats; (n, d) → (n,). Rezende and Mohamed 2015, eq. 5."""
        u, change = self.inverse(x)
        # log p_X(x) = log p_U(F⁻¹(x)) + log |det ∂F⁻¹/∂x|
        return -0.5 * (u.square() + math.log(2 * math.pi)).sum(1) + change

    def sample(self, n: int, d: int, generator: torch.Generator) -> Tensor:
        """n data points (n, d)."""
        return self.forward(torch.randn(n, d, generator=generator, device=generator.device))[0]


def chequerboard(side: int) -> Tensor:
    """(side, side) of 0 and 1 in turn."""
    place = torch.arange(side)
    return (place[:, None] + place) % 2  # (side, side)


def couplings(d: int, layers: int, hidden: int, *, side: int | None = None) -> Flow:
    """A flow of couplings whose masks alternate: every second coordinate, or a chequerboard on side × side pixels."""
    parity = torch.arange(d) % 2 if side is None else chequerboard(side).flatten()  # (d,)
    return Flow([Coupling(parity if i % 2 else 1 - parity, hidden) for i in range(layers)])


def pixel_couplings(side: int, layers: int, width: int) -> Flow:
    """Convolutional couplings at three scales, coarse to fine: half of the channels, then a chequerboard, stays.

    Real NVP's order (section 3.6) without factoring out. Raises ValueError for a side that is no multiple of four.
    """
    if side % 4:
        raise ValueError(f"Pixels are halved twice: a side of {side} is no multiple of 4.")
    flow: list[nn.Module] = []
    for scale in (4, 2, 1):
        c, h = scale**2, side // scale
        # every second channel, or a chequerboard where there is only one; (c, h, h)
        half = torch.arange(c).view(c, 1, 1).expand(c, h, h) % 2 if scale > 1 else chequerboard(h)[None]
        flow += [Coupling(half if i % 2 else 1 - half, width * scale) for i in range(layers)]
        flow += [Unsqueeze((c, h, h))] if scale > 1 else [Affine(side**2)]
    return Flow(flow)
