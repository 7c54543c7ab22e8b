"""A variational autoencoder of two fully connected networks, as in Kingma and Welling 2014 and Burda et al. 2016."""

from math import prod

import torch
from torch import Tensor, nn

LIMIT = 10.0  # |log σ²| beyond this says nothing more and only endangers the exponential


class VAE(nn.Module):
    """Images (b, c, h, w) in [0, 1] → q(z|x) = N(μ, diag σ²); codes z (…, dim) → Bernoulli logits (…, c, h, w).

    Raises ValueError for dim < 1, or images of another shape than it was built for.
    """

    def __init__(self, shape: tuple[int, int, int], dim: int = 10, hidden: int = 200):
        super().__init__()
        if dim < 1:
            raise ValueError(f"A code of {dim} numbers holds nothing: choose dim ≥ 1.")
        self.shape, self.dim, pixels = tuple(shape), dim, prod(shape)
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh()
        )  # (b, hidden)
        self.mean, self.log_variance = nn.Linear(hidden, dim), nn.Linear(hidden, dim)  # (b, dim) each
        self.decoder = nn.Sequential(
            nn.Linear(dim, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, pixels)
        )  # (…, pixels)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x); (b, c, h, w) → (b, dim) each."""
        if x.shape[1:] != self.shape:
            raise ValueError(f"This VAE was built for images {self.shape}, got {tuple(x.shape[1:])}.")
        y = self.body(2 * x - 1)  # (b, hidden)
        return self.mean(y), self.log_variance(y).clamp(-LIMIT, LIMIT)

    def encoder(self, x: Tensor) -> Tensor:
        """The mean of q(z|x) as the representation; (b, c, h, w) → (b, dim)."""
        return self.encode(x)[0]

    def decode(self, z: Tensor) -> Tensor:
        """Logits of p(x|z); (…, dim) → (…, c, h, w)."""
        return self.decoder(z).unflatten(-1, self.shape)

    def start_at(self, pixels: Tensor) -> None:
        """Let the decoder begin at the mean brightness of every pixel (c, h, w), which saves the first epoch."""
        with torch.no_grad():
            self.decoder[-1].bias.copy_(torch.logit(pixels.flatten(), eps=1e-3))
