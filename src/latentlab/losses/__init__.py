"""Pure functions of tensors; every term of a loss has its own name."""

from .vicreg import VICRegWeights, covariance, covariance_matrix, invariance, spread, variance, vicreg

__all__ = ["VICRegWeights", "covariance", "covariance_matrix", "invariance", "spread", "variance", "vicreg"]
