"""A small convolutional autoencoder: image → code of `dim` numbers → image."""

import math

from torch import Tensor, nn

from .convnet import standardise

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "none": nn.Identity}
HALVINGS = 3  # the first so many convolutions halve the side, further ones keep it


class Autoencoder(nn.Module):
    """Images (b, channels, size, size) in [0, 1] → reconstructions of the same shape, by way of codes z (b, dim).

    The encoder has `depth` convolutions of 3×3 and two fully connected layers, the first never narrower than the code;
    the decoder is its mirror image and ends in a sigmoid. With the activation "none" the encoder is an affine map, and
    so is the decoder up to its sigmoid. `wide` allows codes with more numbers than the image has.
    Raises ValueError for a network that cannot be; in use, for images or codes of another shape.
    """

    def __init__(
        self, dim: int, *, channels: int = 1, size: int = 28, depth: int = 3, width: int = 8, activation: str = "relu",
        wide: bool = False,
    ):  # fmt: skip
        super().__init__()
        pixels = channels * size * size
        if dim < 1:
            raise ValueError(f"A code of {dim} numbers holds nothing: choose dim ≥ 1.")
        if dim > pixels and not wide:
            raise ValueError(f"A code of {dim} numbers for an image of {pixels}: choose dim ≤ {pixels}, or wide=True.")
        if depth < 1 or size < 2 ** min(depth, HALVINGS):
            raise ValueError(f"depth = {depth} for images of side {size}: at least 1, and a side that halves so often.")
        if activation not in ACTIVATIONS:
            raise ValueError(f"There is no activation {activation!r}; choose {', '.join(ACTIVATIONS)}.")
        self.dim, shape = dim, (channels, size, size)
        hidden, nonlinear = max(128, dim), ACTIVATIONS[activation]
        widths = [channels, *(width * 2 ** min(layer, HALVINGS - 1) for layer in range(depth))]
        strides = [2 if layer < HALVINGS else 1 for layer in range(depth)]
        sizes = [math.ceil(size / 2 ** min(layer, HALVINGS)) for layer in range(depth + 1)]
        flat = widths[-1] * sizes[-1] ** 2

        down: list[nn.Module] = []
        for layer, stride in enumerate(strides):
            down += [nn.Conv2d(widths[layer], widths[layer + 1], 3, stride, 1), nonlinear()]  # (b, width, side, side)
        down += [nn.Flatten(), nn.Linear(flat, hidden), nonlinear(), nn.Linear(hidden, dim)]  # (b, dim)
        up: list[nn.Module] = [nn.Linear(dim, hidden), nonlinear(), nn.Linear(hidden, flat), nonlinear()]
        up.append(nn.Unflatten(1, (widths[-1], sizes[-1], sizes[-1])))  # (b, width, side, side)
        for layer in reversed(range(depth)):
            # A transposed convolution of stride 2 makes 2·side − 1 of a side; output_padding adds the missing row.
            missing = sizes[layer] - (strides[layer] * (sizes[layer + 1] - 1) + 1)
            widen = nn.ConvTranspose2d(widths[layer + 1], widths[layer], 3, strides[layer], 1, output_padding=missing)
            up += [widen, nonlinear() if layer else nn.Sigmoid()]  # (b, width, side, side), at last the image
        self.encoder, self.decoder = Encoder(shape, dim, *down), nn.Sequential(*up)
        _initialise(self, activation)

    def decode(self, z: Tensor) -> Tensor:
        """Codes (b, dim) → images (b, c, h, w) in [0, 1]."""
        if z.ndim != 2 or z.shape[1] != self.dim:
            raise ValueError(f"The decoder takes codes (b, {self.dim}), got {tuple(z.shape)}.")
        return self.decoder(z)

    def forward(self, images: Tensor) -> Tensor:
        return self.decode(self.encoder(images))


class Encoder(nn.Sequential):
    """The first half: images (b, c, h, w) in [0, 1] → codes (b, dim)."""

    def __init__(self, shape: tuple[int, int, int], dim: int, *layers: nn.Module):
        super().__init__(*layers)
        self.shape, self.dim = shape, dim

    def forward(self, images: Tensor) -> Tensor:
        if images.ndim != 4 or tuple(images.shape[1:]) != self.shape:
            given, wanted = ("×".join(map(str, shape)) for shape in (images.shape[1:], self.shape))
            raise ValueError(f"This autoencoder was built for images of {wanted}, got {given}: give it their size=.")
        return super().forward(standardise(images))


def _initialise(network: Autoencoder, activation: str) -> None:
    """Weights that keep the signal's size from layer to layer (He et al. 2015), and an output that begins dark."""
    gain = nn.init.calculate_gain("linear" if activation == "none" else activation)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear | nn.ConvTranspose2d):
            # fan_in: how many inputs one output sums; a transposed convolution spreads its kernel over stride² outputs
            turned = isinstance(layer, nn.ConvTranspose2d)
            spread = layer.weight[0, 0].numel() / (layer.stride[0] ** 2 if turned else 1)
            inputs = layer.weight.shape[0 if turned else 1]
            # Var(w) = gain² / fan_in
            nn.init.normal_(layer.weight, std=gain / (inputs * spread) ** 0.5)
            nn.init.zeros_(layer.bias)
    nn.init.constant_(network.decoder[-2].bias, -2.0)  # sigmoid(−2) = 0.12, about the mean brightness of a digit
