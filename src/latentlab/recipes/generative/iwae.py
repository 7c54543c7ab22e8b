"""The importance weighted autoencoder: the recipe of the VAE with k > 1 samples in training."""

from dataclasses import replace

from .vae import PRESETS as _VAE
from .vae import Settings, build, run, sample, scores

__all__ = ["PRESETS", "Settings", "build", "run", "sample", "scores"]
PRESETS = {name: replace(settings, k=5 if name == "quick" else 50) for name, settings in _VAE.items()}
