"""Random views of a whole batch at once, on the batch's device, every sample with its own parameters."""

from latentlab.augment.presets import PRESETS, Views

__all__ = ["PRESETS", "Views"]
