"""Encoders and heads; no training code, no losses, no files."""

from .autoencoder import Autoencoder
from .convnet import ConvNet
from .heads import JointEmbedding, Projector
from .resnet import ResNet18

__all__ = ["Autoencoder", "ConvNet", "JointEmbedding", "Projector", "ResNet18"]
