"""A GAN on small digits: two players in turn, each with its own cost and optimiser."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from latentlab.data import Dataset, to_float
from latentlab.evaluation import frechet_distance
from latentlab.losses import discriminator_cost, non_saturating_cost, saturating_cost
from latentlab.models.gan import GAN, Discriminator, Generator
from latentlab.recipes.contract import Run, fitted, seeded
from latentlab.training import Budget, Player
from latentlab.training.loop import generator_for

COSTS = {"non-saturating": non_saturating_cost, "saturating": saturating_cost}


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run but the seed. Raises ValueError for an unknown cost."""

    data: str = "digits"
    side: int = 14
    noise: int = 16
    hidden: int = 128
    dropout: float = 0.3
    cost: str = "non-saturating"  # or "saturating"
    real_noise: float = 0.1  # of pixel values, added to real and drawn images: keeps the two densities overlapping
    budget: Budget = Budget(
        epochs=150, batch=64, learning_rate=2e-3, weight_decay=0.0, betas=(0.5, 0.999), warmup=0.02, precision="float32"
    )

    def __post_init__(self) -> None:
        if self.cost not in COSTS:
            raise ValueError(f"There is no generator cost {self.cost!r}; choose one of {', '.join(COSTS)}.")


# more noise and dropout, and a smaller discriminator: without them it wins, and the generator draws nothing but ones
_long = replace(Settings.budget, epochs=None, minutes=30.0, batch=128, warmup=0.05)
_MNIST = Settings(data="mnist", side=28, noise=64, hidden=256, dropout=0.5, real_noise=0.5, budget=_long)
PRESETS = {"quick": Settings(), "cpu": _MNIST, "gpu": _MNIST}


class DuelTask:
    """Real samples and the two players. In a turn of one, the other stands still."""

    def __init__(self, network: GAN, real: Tensor, cost: str = "non-saturating", noise: float = 0.0):
        self.module, self.samples, self.real, self.cost, self.noise = network, len(real), real, COSTS[cost], noise
        self.players = (
            Player("discriminator", network.discriminator, self.judge),
            Player("generator", network.generator, self.forge),
        )

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """n samples of the generator, with gradients."""
        z = torch.randn(n, self.module.generator.noise, generator=generator, device=generator.device)  # (n, noise)
        return self.blur(self.module.generator(z), generator)

    def blur(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return x + self.noise * torch.randn(x.shape, generator=generator, device=x.device) if self.noise else x

    def judge(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """The discriminator's turn."""
        with torch.no_grad():
            fake = self.draw(len(indices), generator)
        real = self.module.discriminator(self.blur(self.real[indices], generator))  # (b,)
        drawn = self.module.discriminator(fake)  # (b,)
        right = ((real > 0).float().mean() + (drawn < 0).float().mean()) / 2
        return {"loss": discriminator_cost(real, drawn), "accuracy": right}

    def forge(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """The generator's turn."""
        return {"loss": self.cost(self.module.discriminator(self.draw(len(indices), generator)))}

    def test_terms(self, generator: torch.Generator) -> dict[str, Tensor]:
        return {}


def build(settings: Settings, shape: tuple[int, int, int], seed: int) -> GAN:
    """Both players with fresh weights from the seed."""
    size = (shape[0], settings.side, settings.side)
    with seeded(seed):
        generator = Generator(size, settings.noise, settings.hidden, bounded=True)
        return GAN(generator, Discriminator(size, settings.hidden, settings.dropout))


def run(settings: Settings, *, train: Dataset, test: Dataset, seed: int = 0, device: str = "cpu", **how: Any) -> Run:
    """Train both players; how: folder, resume, show of `training.fit`. `test` is for `scores` only."""
    network = build(settings, train.images.shape[1:], seed)
    task = DuelTask(network, to_float(train.images, settings.side).to(device), settings.cost, settings.real_noise)
    return fitted(task, settings, seed=seed, device=device, title="GAN", **how)


@torch.no_grad()
def sample(network: GAN, settings: Settings, n: int, generator: torch.Generator) -> Tensor:
    """n images (n, c, side, side) in [0, 1]."""
    return network.generator(torch.randn(n, settings.noise, generator=generator, device=generator.device))


def scores(network: nn.Module, settings: Settings, train: Dataset, test: Dataset) -> dict[str, float]:
    """Fréchet distance in pixels to the test images: of samples, and of as many training images, the floor."""
    real, known = to_float(test.images, settings.side).flatten(1), to_float(train.images, settings.side).flatten(1)
    drawn = sample(network.cpu(), settings, len(known), generator_for(0, 15)).flatten(1)
    sets = {"samples": drawn, "training images": known}
    return {f"Fréchet distance, {name}": frechet_distance(real, images) for name, images in sets.items()}
