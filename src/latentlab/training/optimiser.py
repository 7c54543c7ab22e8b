"""The schedule of the learning rate, and two optimisers: torch's AdamW, and Muon.

Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) brings the singular values of a weight matrix's momentum M
roughly to one (0.5 to 1.2), so that all its singular directions learn at nearly the same speed. torch's own refuses
convolutions; this one takes kernels as matrices (outputs, inputs·height·width) and trains the rest by Adam.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .machine import fast_bfloat16


def warmup_cosine(fraction: float, warmup: float = 0.05) -> float:
    """Factor on the peak learning rate when `fraction` of the budget (epochs or minutes) is spent; ValueError beyond 1.

    Linear warm-up over the first `warmup` of it, then half a cosine to zero (Loshchilov and Hutter 2017, eq. 5).
    """
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"The spent share of the budget must lie in [0, 1], got {fraction}.")
    if fraction < warmup:
        return fraction / warmup
    # η(t) = ½ (1 + cos π t)
    return 0.5 * (1.0 + math.cos(math.pi * (fraction - warmup) / (1.0 - warmup)))


def build_optimiser(
    name: str, parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float, betas: tuple[float, float]
) -> torch.optim.Optimizer:
    """The optimiser called "adamw" or "muon"; raises ValueError for another name."""
    if name == "adamw":
        return torch.optim.AdamW(parameters, lr=learning_rate, betas=betas, weight_decay=weight_decay, fused=True)
    if name == "muon":
        return Muon(parameters, learning_rate, weight_decay=weight_decay, betas=betas)
    raise ValueError(f"There is no optimiser {name!r}; choose 'adamw' or 'muon'.")


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """A matrix with the singular vectors of `matrix` and all singular values near 1; (o, i) → (o, i).

    Newton–Schulz iteration with the quintic of Jordan et al.: only products, in bfloat16 where that is fast.
    """
    kind = torch.bfloat16 if fast_bfloat16(matrix.device.type) else torch.float32
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix  # (short, long)
    x = (x / (x.norm() + 1e-7)).to(kind)
    short = kind == torch.float32 and x.shape[1] >= 2 * x.shape[0]  # in 16 bits the products of A are too rough
    y, a = (torch.eye(len(x), device=x.device) if short else x), x @ x.T  # (short, ·), (short, short)
    for _ in range(steps):
        # X ← P X with P = a I + b A + c A², A = X Xᵀ. For a long X only A is moved, A ← P A P, and the P are multiplied
        p = torch.addmm(a, a, a, beta=-4.7750, alpha=2.0315)
        p.diagonal().add_(3.4445)
        y = p @ y
        a = p @ a @ p if short else y @ y.T
    x = y @ x if short else y
    return (x.T if tall else x).to(matrix.dtype)  # (o, i)


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum for weights with two or more axes, Adam for the others. `state_dict` holds both.

    `learning_rate` and `weight_decay` are the matrices', `adam_rate` is the step of the rest, which does not decay.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], learning_rate: float = 0.02, adam_rate: float = 2e-3,
        momentum: float = 0.95, weight_decay: float = 0.0, betas: tuple[float, float] = (0.9, 0.999),
    ):  # fmt: skip
        parameters = list(parameters)
        matrices, others = [p for p in parameters if p.ndim >= 2], [p for p in parameters if p.ndim < 2]
        groups = [{"params": matrices, "lr": learning_rate, "matrices": True}]
        groups.append({"params": others, "lr": adam_rate, "matrices": False})
        super().__init__(groups, {"momentum": momentum, "weight_decay": weight_decay, "betas": betas})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            update = self._rotate if group["matrices"] else self._adam
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update(parameter, self.state[parameter], group)

    def _rotate(self, weight: Tensor, state: dict, group: dict) -> None:
        gradient = weight.grad.reshape(len(weight), -1)  # (o, i)
        if not state:
            state["momentum"] = torch.zeros_like(gradient)
        momentum = state["momentum"]
        # M ← β M + (1 − β) G, and Nesterov's look ahead: (1 − β) G + β M
        momentum.lerp_(gradient, 1 - group["momentum"])
        direction = orthogonalise(gradient.lerp(momentum, group["momentum"]))
        outputs, inputs = gradient.shape
        # W ← (1 − η λ) W − η √max(1, o/i) · orthogonal(M): the last factor makes steps of tall matrices count as much
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(direction.view(weight.shape), alpha=-group["lr"] * max(1.0, outputs / inputs) ** 0.5)

    def _adam(self, parameter: Tensor, state: dict, group: dict) -> None:
        if not state:
            state.update(first=torch.zeros_like(parameter), second=torch.zeros_like(parameter), count=0)
        first, second = state["first"], state["second"]
        count = state["count"] = state["count"] + 1
        (b1, b2), gradient = group["betas"], parameter.grad
        first.lerp_(gradient, 1 - b1)
        second.lerp_(gradient.square(), 1 - b2)
        # θ ← θ − η m̂ / (√v̂ + ε)
        parameter.addcdiv_(first / (1 - b1**count), (second / (1 - b2**count)).sqrt() + 1e-8, value=-group["lr"])
