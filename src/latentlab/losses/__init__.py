"""Pure functions of tensors; every term of a loss has its own name."""
# ruff: noqa: F401 – these names are imported to be found here

from .adversarial import density_ratio, discriminator_cost, jensen_shannon, non_saturating_cost, saturating_cost
from .circular import DEGREES, angular_difference, circular_mean, circular_variance
from .contrastive import info_nce, nt_xent
from .reconstruction import bernoulli_log_likelihood, bits_per_dimension, reconstruction_error, squared_error
from .variational import elbo, gaussian_kl, gaussian_log_density, importance_bound, log_weights, reparametrise
from .vicreg import VICRegWeights, covariance, covariance_matrix, invariance, spread, variance, vicreg
