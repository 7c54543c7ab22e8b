"""How far a reconstruction is from its image."""

from torch import Tensor


def squared_error(reconstruction: Tensor, image: Tensor) -> Tensor:
    """Mean squared error of every image; (b, …), (b, …) → (b,).

    Raises ValueError if the shapes differ (a silent (b, 784) against (b, 1, 28, 28) would compare the wrong pixels) or if there
    is no image.
    """
    if reconstruction.shape != image.shape or image.ndim < 2 or image.numel() == 0:
        raise ValueError(
            f"Reconstructions {tuple(reconstruction.shape)} and images {tuple(image.shape)}: expected two of one shape (b, …)."
        )
    # e_i = (1/p) Σ_k (x̂_ik − x_ik)², p pixels
    return (reconstruction - image).square().flatten(1).mean(dim=1)  # (b,)


def reconstruction_error(reconstruction: Tensor, image: Tensor) -> Tensor:
    """Mean squared error of a batch, per pixel: the autoencoder's loss; (b, …), (b, …) → scalar. Raises as `squared_error`."""
    # L = (1/b) Σ_i e_i
    return squared_error(reconstruction, image).mean()
