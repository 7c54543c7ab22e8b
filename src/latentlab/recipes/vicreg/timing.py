"""Where the time of a training step goes, and how much of the machine it uses."""

import time
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from latentlab.augment import PRESETS as VIEWS
from latentlab.data import Dataset
from latentlab.losses import vicreg as vicreg_loss
from latentlab.training.machine import autocast, fast_bfloat16, reuse_memory
from latentlab.training.optimiser import build_optimiser

from . import pretraining as vicreg


@dataclass(frozen=True)
class StepTimes:
    """Seconds of one step by part, views per second, and floating-point operations per second."""

    parts: dict[str, float]  # "views", "forward", "loss", "backward", "optimiser"
    views_per_second: float
    flops_per_second: float

    def shares(self) -> dict[str, float]:
        """Each part's share of the step; they add up to 1."""
        whole = sum(self.parts.values())
        return {name: seconds / whole for name, seconds in self.parts.items()}


def time_step(settings: vicreg.Settings, train: Dataset, *, steps: int = 15, warm_up: int = 4) -> StepTimes:
    """Time the parts of VICReg's training step on this machine's processor, uncompiled; the mean over `steps` steps.

    Compiled code fuses the parts and cannot be taken apart, so a compiled run is faster than this says.
    """
    reuse_memory()
    network = vicreg.build(settings, train.images.shape[1:], seed=0).to(memory_format=torch.channels_last).train()
    budget, views = settings.budget, VIEWS[settings.views]
    optimiser = build_optimiser(
        budget.optimiser, network.parameters(), budget.learning_rate, budget.weight_decay, budget.betas
    )
    generator = torch.Generator().manual_seed(0)
    parts = dict.fromkeys(("views", "forward", "loss", "backward", "optimiser"), 0.0)

    def step() -> None:
        marks = [time.perf_counter()]
        indices = torch.randint(len(train), (budget.batch,), generator=generator)
        both = vicreg.two_views(train.images[indices], views, generator)  # (2b, c, s, s)
        marks.append(time.perf_counter())
        with autocast(budget.precision, "cpu"):
            z1, z2 = network(both).chunk(2)  # (b, d) each
            marks.append(time.perf_counter())
            loss = vicreg_loss(z1, z2, settings.weights)["loss"]
        marks.append(time.perf_counter())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        marks.append(time.perf_counter())
        optimiser.step()
        marks.append(time.perf_counter())
        for name, begin, end in zip(parts, marks[:-1], marks[1:], strict=True):
            parts[name] += (end - begin) / steps

    for _ in range(warm_up):
        step()
    with FlopCounterMode(display=False) as counter:
        step()
    for name in parts:
        parts[name] = 0.0
    for _ in range(steps):
        step()
    seconds = sum(parts.values())
    return StepTimes(parts, 2 * budget.batch / seconds, counter.get_total_flops() / seconds)


def matrix_rate(size: int = 2048, repeats: int = 8) -> float:
    """Floating-point operations per second of a large matrix product in the format that training uses: the machine's ceiling."""
    kind = torch.bfloat16 if fast_bfloat16() else torch.float32
    a, b = torch.randn(2, size, size).to(kind).unbind(0)
    for _ in range(3):
        a @ b
    begun = time.perf_counter()
    for _ in range(repeats):
        a @ b
    return 2 * size**3 * repeats / (time.perf_counter() - begun)
