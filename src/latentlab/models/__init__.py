"""Encoders and heads; no training code, no losses, no files."""

from .autoencoder import Autoencoder
from .convnet import ConvNet, ResNet18
from .heads import JointEmbedding, Projector

__all__ = ["Autoencoder", "ConvNet", "JointEmbedding", "Projector", "ResNet18"]
