"""Two optimisers: torch's AdamW, and Muon, which evens out the singular values of every step of a weight matrix.

Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) brings the singular values of a weight matrix's momentum M roughly
to one (0.5 to 1.2 after five steps of its iteration), so that all its singular directions learn at nearly the same speed.
Notebook 13 shows what that is worth against an untuned AdamW. torch's own `torch.optim.Muon` needs torch ≥ 2.9 and refuses
convolutions; this one takes their kernels as matrices (outputs, inputs·height·width) and trains what is no matrix (batch norms)
by Adam, in one state.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .machine import fast_bfloat16


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """A matrix with the singular vectors of `matrix` and all singular values near 1; (o, i) → (o, i).

    Newton–Schulz iteration with the quintic of Jordan et al.: no decomposition, only products, in bfloat16 where that is fast.
    """
    kind = torch.bfloat16 if fast_bfloat16(matrix.device.type) else torch.float32
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix  # (short, long)
    x = (x / (x.norm() + 1e-7)).to(kind)
    for _ in range(steps):
        # X ← a X + (b A + c A²) X  with A = X Xᵀ
        a = x @ x.T  # (short, short)
        a = torch.addmm(a, a, a, beta=-4.7750, alpha=2.0315)
        x = torch.addmm(x, a, x, beta=3.4445)
    return (x.T if tall else x).to(matrix.dtype)  # (o, i)


def build_optimiser(
    name: str, parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float, betas: tuple[float, float]
) -> torch.optim.Optimizer:
    """The optimiser called "adamw" or "muon"; raises ValueError for another name."""
    if name == "adamw":
        return torch.optim.AdamW(parameters, lr=learning_rate, betas=betas, weight_decay=weight_decay, fused=True)
    if name == "muon":
        return Muon(parameters, learning_rate, weight_decay=weight_decay, betas=betas)
    raise ValueError(f"There is no optimiser {name!r}; choose 'adamw' or 'muon'.")


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum for weights with two or more axes, Adam for the others. `state_dict` holds both.

    `learning_rate` is the step of the matrices, `adam_rate` that of the rest; a schedule scales the "lr" of both groups.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        learning_rate: float = 0.02,
        adam_rate: float = 2e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
    ):
        parameters = list(parameters)
        super().__init__(
            [
                {"params": [p for p in parameters if p.ndim >= 2], "lr": learning_rate, "matrices": True},
                {"params": [p for p in parameters if p.ndim < 2], "lr": adam_rate, "matrices": False},
            ],
            {"momentum": momentum, "weight_decay": weight_decay, "betas": betas},
        )

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
