"""The generative homework: autoregressive model, flow, variational autoencoder, GAN."""
