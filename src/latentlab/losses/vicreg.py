"""The three terms of VICReg (Bardes, Ponce and LeCun 2022, arXiv:2105.04906) and their weighted sum."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class VICRegWeights:
    """λ, μ, ν of the paper's equation 6, the target spread γ and the small ε inside the root."""

    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0
    gamma: float = 1.0
    epsilon: float = 1e-4


def invariance(z1: Tensor, z2: Tensor) -> Tensor:
    """Mean squared difference between the embeddings of two views; z1, z2 (b, d) → scalar.

    The paper's equation 5 sums over the d coordinates; the authors' code, and everybody's weights, take the mean.
    """
    # s(Z, Z') = 1/(b d) Σ_i ‖z_i − z'_i‖²
    return F.mse_loss(z1, z2)


def spread(z: Tensor, epsilon: float = 1e-4) -> Tensor:
    """Standard deviation of every coordinate over the batch; z (b, d) → (d,)."""
    # S(z_j) = √(Var(z_j) + ε), with 1/(b − 1) in the variance
    return torch.sqrt(z.var(dim=0) + epsilon)  # (d,)


def variance(z: Tensor, gamma: float = 1.0, epsilon: float = 1e-4) -> Tensor:
    """How far the spread of each coordinate falls short of γ; z (b, d) → scalar (equations 1 and 2)."""
    # v(Z) = 1/d Σ_j max(0, γ − S(z_j))
    return F.relu(gamma - spread(z, epsilon)).mean()


def covariance_matrix(z: Tensor) -> Tensor:
    """Covariance of the coordinates over the batch; z (b, d) → (d, d) (equation 3)."""
    centred = z - z.mean(dim=0)
    # C(Z) = 1/(b − 1) Σ_i (z_i − z̄)(z_i − z̄)ᵀ
    return centred.T @ centred / (len(z) - 1)  # (d, d)


def covariance(z: Tensor) -> Tensor:
    """Mean over coordinates of the squared off-diagonal covariances; z (b, d) → scalar (equation 4)."""
    matrix = covariance_matrix(z)  # (d, d)
    # c(Z) = 1/d Σ_{i≠j} C(Z)²_ij
    return (matrix.square().sum() - matrix.diagonal().square().sum()) / z.shape[1]


def correlation(z: Tensor) -> Tensor:
    """Mean squared correlation of different coordinates: covariances without the spreads; z (b, d) → scalar."""
    r = torch.corrcoef(z.T).nan_to_num()  # (d, d); a coordinate that stands still correlates with nothing
    # 1/(d (d − 1)) Σ_{j≠k} r²_jk
    return (r.square().sum() - r.diagonal().square().sum()) / (len(r) * (len(r) - 1))


def vicreg(z1: Tensor, z2: Tensor, weights: VICRegWeights = VICRegWeights()) -> dict[str, Tensor]:
    """The loss and its three terms for the embeddings of two views; z1, z2 (b, d) → scalars by name.

    The variance term is the mean over the two branches, as in the authors' code; the paper's equation 6 adds them,
    which amounts to twice the weight μ. The covariance term is the sum in both. Computed in float32 or float64.
    Raises ValueError if the shapes differ or the batch has fewer than two rows.
    """
    if z1.shape != z2.shape or z1.ndim != 2 or len(z1) < 2:
        raise ValueError(f"Give two (b, d) batches of equal shape, b ≥ 2; not {tuple(z1.shape)} and {tuple(z2.shape)}.")
    with torch.autocast(z1.device.type, enabled=False):
        z1, z2 = (z if z.dtype == torch.float64 else z.float() for z in (z1, z2))
        v = (variance(z1, weights.gamma, weights.epsilon) + variance(z2, weights.gamma, weights.epsilon)) / 2
        return _weighted(weights, invariance(z1, z2), v, covariance(z1) + covariance(z2))


def vicreg_of_many(z: Tensor, weights: VICRegWeights = VICRegWeights()) -> dict[str, Tensor]:
    """The loss for k ≥ 2 views of every image, all pairs compared, spread and covariance of all rows; z (k, b, d)."""
    k, z, rows = len(z), z.float(), z.float().flatten(0, 1)  # (k·b, d)
    with torch.autocast(z.device.type, enabled=False):
        # mean over pairs of ‖z_v − z_w‖² = 2k / (k − 1) · mean over views of ‖z_v − z̄‖²
        s = 2 * k / (k - 1) * (z - z.mean(0)).square().mean()
        return _weighted(weights, s, variance(rows, weights.gamma, weights.epsilon), 2 * covariance(rows))


def _weighted(weights: VICRegWeights, s: Tensor, v: Tensor, c: Tensor) -> dict[str, Tensor]:
    # ℓ = λ s(Z, Z') + μ v(Z, Z') + ν [c(Z) + c(Z')]
    loss = weights.invariance * s + weights.variance * v + weights.covariance * c
    return {"loss": loss, "invariance": s, "variance": v, "covariance": c}
