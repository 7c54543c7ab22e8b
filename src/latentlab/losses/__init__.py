"""Pure functions of tensors; every term of a loss has its own name."""

from .adversarial import (
    density_ratio,
    discriminator_cost,
    jensen_shannon,
    non_saturating_cost,
    saturating_cost,
)
from .circular import (
    DEGREES,
    RADIANS,
    angular_difference,
    arc_loss,
    circular_mean,
    circular_variance,
    cosine_loss,
)
from .contrastive import info_nce, nt_xent
from .likelihood import bernoulli_log_likelihood, bits_per_dimension, logit
from .reconstruction import reconstruction_error, squared_error
from .variational import (
    elbo,
    gaussian_kl,
    gaussian_log_density,
    importance_bound,
    log_weights,
    reparametrise,
)
from .vicreg import VICRegWeights, covariance, covariance_matrix, invariance, spread, variance, vicreg

__all__ = [
    "saturating_cost",
    "non_saturating_cost",
    "jensen_shannon",
    "discriminator_cost",
    "density_ratio",
    "DEGREES",
    "RADIANS",
    "VICRegWeights",
    "angular_difference",
    "arc_loss",
    "bernoulli_log_likelihood",
    "bits_per_dimension",
    "circular_mean",
    "circular_variance",
    "cosine_loss",
    "covariance",
    "covariance_matrix",
    "elbo",
    "gaussian_kl",
    "gaussian_log_density",
    "importance_bound",
    "info_nce",
    "invariance",
    "log_weights",
    "logit",
    "nt_xent",
    "reconstruction_error",
    "reparametrise",
    "spread",
    "squared_error",
    "variance",
    "vicreg",
]
