"""What sits on top of an encoder."""

from collections.abc import Sequence

from torch import Tensor, nn


class Projector(nn.Sequential):
    """Representations y (b, dim) → embeddings z (b, widths[-1]), VICReg's expander (Bardes et al. 2022, section 4)."""

    def __init__(self, dim: int, widths: Sequence[int]):
        layers: list[nn.Module] = []
        for width in widths[:-1]:
            layers += [nn.Linear(dim, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(inplace=True)]  # (b, width)
            dim = width
        super().__init__(*layers, nn.Linear(dim, widths[-1], bias=False))  # (b, widths[-1])


class JointEmbedding(nn.Module):
    """An encoder and its projector: views (b, c, h, w) → embeddings z (b, d)."""

    def __init__(self, encoder: nn.Module, widths: Sequence[int]):
        super().__init__()
        self.encoder, self.projector = encoder, Projector(encoder.dim, widths)

    def forward(self, views: Tensor) -> Tensor:
        return self.projector(self.encoder(views))  # (b, d)
