"""The contrastive homework: SimCLR on pictures, the autoencoder of coloured shapes."""
