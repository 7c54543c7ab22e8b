"""Random views of a whole batch at once, on the batch's device, every sample with its own parameters."""

from latentlab.augment.geometry import to_float
from latentlab.augment.presets import PRESETS, Views

__all__ = ["PRESETS", "Views", "to_float"]
