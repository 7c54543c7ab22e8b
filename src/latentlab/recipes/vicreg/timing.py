"""Where the time of a training step goes, and how much of the machine it uses."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from timeit import timeit

import torch
from torch.utils.flop_counter import FlopCounterMode

from latentlab.augment import PRESETS as VIEWS
from latentlab.data import Dataset
from latentlab.training.machine import autocast, fast_bfloat16, reuse_memory
from latentlab.training.optimiser import build_optimiser

from . import pretraining as vicreg


@dataclass(frozen=True)
class StepTimes:
    """Seconds of one step by part, views per second, and floating-point operations per second."""

    parts: dict[str, float]
    views_per_second: float
    flops_per_second: float

    def shares(self) -> dict[str, float]:
        """Each part's share of the step; they add up to 1."""
        return {name: seconds / sum(self.parts.values()) for name, seconds in self.parts.items()}


def time_step(settings: vicreg.Settings, train: Dataset, *, steps: int = 15, warm_up: int = 4) -> StepTimes:
    """Time the parts of VICReg's step, mean over `steps`, not compiled, with the views that `views` names."""
    reuse_memory()
    network = vicreg.build(settings, train.images.shape[1:], seed=0).to(memory_format=torch.channels_last).train()
    budget, generator = settings.budget, torch.Generator().manual_seed(0)
    rates = budget.learning_rate, budget.weight_decay, budget.betas
    optimiser = build_optimiser(budget.optimiser, network.parameters(), *rates)

    def step() -> Iterator[str]:
        """One step; the name of each part when it is done."""
        indices = torch.randint(len(train), (budget.batch,), generator=generator)
        batches = [train.images[indices]] * settings.looks
        views = vicreg.many_views(batches, VIEWS[settings.views], generator)  # (k·b, c, s, s)
        yield "views"
        with autocast(budget.precision, "cpu"):
            z = network(views).chunk(len(batches))  # (b, d) each
            yield "forward"
            loss = vicreg.compared(z, settings.weights)["loss"]
        yield "loss"
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        yield "backward"
        optimiser.step()
        yield "optimiser"

    for _ in range(warm_up):
        list(step())
    with FlopCounterMode(display=False) as counter:
        names = list(step())
    marks = [[time.perf_counter(), *(time.perf_counter() for _ in step())] for _ in range(steps)]
    times = torch.tensor(marks, dtype=torch.float64).diff().mean(0)  # (parts,)
    parts, seconds = dict(zip(names, times.tolist(), strict=True)), float(times.sum())
    return StepTimes(parts, settings.looks * budget.batch / seconds, counter.get_total_flops() / seconds)


def matrix_rate(size: int = 2048, repeats: int = 8) -> float:
    """Floating-point operations per second of a large matrix product in the format that training uses: the ceiling."""
    kind = torch.bfloat16 if fast_bfloat16() else torch.float32
    a, b = torch.randn(2, size, size).to(kind).unbind(0)
    timeit(lambda: a @ b, number=3)  # warm up; torch's own Timer warns on standard error where CUDA is half installed
    return 2 * size**3 * repeats / timeit(lambda: a @ b, number=repeats)
