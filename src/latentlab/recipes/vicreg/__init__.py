"""The VICReg report: pretraining, ablations, shared encoders, eigenmaps, latent optimisation."""
