"""The one training loop: every section of the course hands it a task and gets back a history.

Plain torch: Lightning Fabric would replace nine lines (device, autocast, launch), neither joint batch norm nor resume.
"""

import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from . import processes
from .checkpoint import load_checkpoint, save_checkpoint
from .machine import autocast, reuse_memory
from .optimiser import build_optimiser, warmup_cosine
from .progress import progress

Terms = dict[str, Tensor]


class Task(Protocol):
    """What a recipe hands to `fit`: a module with all weights, the number of samples, and the loss of a batch.

    A task may have `players` (a GAN has two); without, it is one player itself. One that keeps a state of its own
    between steps has `state_dict()` and `load_state_dict(state)`, as a module has, for the checkpoint. One that changes
    as training goes on has `at(share)`, which is told before every step what share of the budget is spent.
    """

    module: nn.Module
    samples: int

    def terms(self, indices: Tensor, generator: torch.Generator) -> Terms:
        """Named scalars of one batch; the entry "loss" is minimised."""

    def test_terms(self, generator: torch.Generator) -> Terms:
        """The same names on held-out data, without gradients; {} for none."""


@dataclass(frozen=True)
class Player:
    """One of several who train in turn, each its part of the task's module; "<name> loss" is what it minimises."""

    name: str
    module: nn.Module
    terms: Callable[[Tensor, torch.Generator], Terms]
    learning_rate: float | None = None  # None: the budget's


@dataclass(frozen=True)
class Budget:
    """How long and how to train. Give `epochs`, or `minutes` of training time; the schedule follows the given one."""

    epochs: float | None = 10
    minutes: float | None = None
    batch: int = 256
    optimiser: str = "adamw"  # or "muon"
    learning_rate: float = 2e-3  # at the peak of the schedule; Muon's own scale is ten times larger
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    warmup: float = 0.05
    precision: str = "auto"  # "float32", "bfloat16", or "auto": bfloat16 where the machine multiplies it in hardware
    compile: bool = False
    clip: float | None = None  # largest norm of a player's gradient; None leaves it as it is
    test_every: float = 1.0  # epochs between two looks at the test set
    checkpoint_every: float = 30.0  # seconds of training between two checkpoints

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.minutes is None):
            raise ValueError("Give a budget either in epochs or in minutes, and set the other to None.")
        if (self.epochs or self.minutes or 0) <= 0 or self.batch < 2:
            raise ValueError(f"The budget must be positive and the batch at least 2, got {self}.")
        if self.test_every <= 0 or (self.clip is not None and self.clip <= 0):
            raise ValueError(f"test_every and clip must be positive, got {self.test_every} and {self.clip}.")


@dataclass
class History:
    """Named terms over training: per batch on the training set, per look on the test set."""

    batches: dict[str, list[float]] = field(default_factory=dict)  # "samples" and each term
    epochs: dict[str, list[float]] = field(default_factory=dict)  # "samples", "epoch" and each term
    seconds: float = 0.0  # training time, from the first batch, without evaluation and checkpoints
    steps: int = 0

    def as_curves(self) -> dict[str, dict[str, list[float]]]:
        """The form that `plots.loss_curves` draws."""
        return {"train": self.batches, "test": self.epochs}


class TrainingDiverged(RuntimeError):
    """A loss term is not a finite number any more; names the term and the step."""


def generator_for(seed: int, *place: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of nothing but the seed and the place in training, so that a resumed run needs no saved state."""
    number = seed
    for part in place:
        number = (number * 6364136223846793005 + part * 1442695040888963407 + 1) % 2**63
    return torch.Generator(device).manual_seed(number)


def fit(
    task: Task, budget: Budget, *, seed: int = 0, device: torch.device | str = "cpu", folder: Path | str | None = None,
    resume: bool = False, title: str = "training", show: bool = True,
    after_epoch: Callable[[float], None] | None = None,
) -> History:  # fmt: skip
    """Train `task.module` in place and return the history of its loss terms.

    With `folder`, the state goes to `folder/checkpoint.pt` every `budget.checkpoint_every` seconds and at the end; with
    `resume` it is taken up from there: on a CPU with a budget in epochs the final weights equal an uninterrupted run's
    bit for bit. `after_epoch(seconds of training)` follows every look at the test set. Raises TrainingDiverged if a
    term stops being finite, and CheckpointError if the checkpoint is missing or damaged.
    """
    reuse_memory()
    device = torch.device(device)
    if resume and folder is None:
        raise ValueError("To resume, say from which folder: fit(..., folder=..., resume=True).")
    state = _State(task, budget, seed, device, None if folder is None else Path(folder) / "checkpoint.pt")
    if resume:
        state.restore()
    if budget.compile and (torch.cuda.is_available() or shutil.which("g++") or shutil.which("clang++")):
        task.module.compile()  # in place: the names of its weights stay
    history, per_epoch = state.history, task.samples // budget.batch
    total = max(1, round(budget.epochs * per_epoch)) if budget.epochs else None  # steps; None: by the minute
    test_steps = max(1, round(budget.test_every * per_epoch))
    batches = _batches(task.samples, budget.batch, seed, history.steps)
    begun = time.perf_counter() - history.seconds

    def seconds() -> float:
        return time.perf_counter() - begun

    def spent() -> float:
        return history.steps / total if total else min(1.0, seconds() / (60 * budget.minutes))

    task.module.train()
    with progress(title, show and processes.rank() == 0) as update:
        while (done := processes.agree(spent())) < 1.0:
            if hasattr(task, "at"):
                task.at(done)
            state.step(next(batches), warmup_cosine(done, budget.warmup))
            test = history.steps % test_steps == 0 or history.steps == total
            if test or len(state.pending) == 50:
                update(spent(), f"loss {state.collect():.3g}")
            if not test and seconds() - state.saved_at < budget.checkpoint_every:
                continue
            history.seconds = seconds()
            if test:
                state.test(history.steps / per_epoch)
                if after_epoch is not None:
                    after_epoch(history.seconds)
            if history.seconds - state.saved_at >= budget.checkpoint_every:
                state.save()
            begun = time.perf_counter() - history.seconds  # evaluation and checkpoints do not count as training time
    history.seconds = seconds()
    state.save()
    processes.agree(0.0)  # no process goes on before the last checkpoint is written
    task.module.eval()
    return history


def _batches(samples: int, batch: int, seed: int, done: int) -> Iterator[Tensor]:
    """The samples of each step after `done` steps, for ever; the order of an epoch depends on seed and epoch alone."""
    epoch, within = divmod(done, samples // batch)
    while True:
        order = torch.randperm(samples, generator=generator_for(seed, 0, epoch))  # (samples,)
        for start in range(within * batch, samples - batch + 1, batch):
            yield order[start : start + batch].chunk(processes.size())[processes.rank()]  # (batch / processes,)
        epoch, within = epoch + 1, 0


class _State:
    """All that a training changes: weights, optimisers, history; taken up from a checkpoint and written to it."""

    def __init__(self, task: Task, budget: Budget, seed: int, device: torch.device, path: Path | None):
        if budget.batch % processes.size():
            raise ValueError(f"A batch of {budget.batch} cannot be shared equally by {processes.size()} processes.")
        if task.samples < budget.batch:
            raise ValueError(f"A batch of {budget.batch} needs at least as many samples; there are {task.samples}.")
        self.task, self.budget, self.seed, self.device, self.path = task, budget, seed, device, path
        processes.join_batch_norms(task.module.to(device)).to(memory_format=torch.channels_last)
        self.players = getattr(task, "players", None) or (Player("", task.module, task.terms),)
        rates = (player.learning_rate or budget.learning_rate for player in self.players)
        self.optimisers = [
            build_optimiser(budget.optimiser, player.module.parameters(), rate, budget.weight_decay, budget.betas)
            for player, rate in zip(self.players, rates, strict=True)
        ]
        self.peaks = [[group["lr"] for group in o.param_groups] for o in self.optimisers]
        self.history, self.pending, self.names, self.saved_at = History(), [], [], 0.0

    def step(self, indices: Tensor, factor: float) -> None:
        """Every player's turn on one batch, every learning rate at `factor` of its peak."""
        values: Terms = {}
        for turn, (player, optimiser, peaks) in enumerate(zip(self.players, self.optimisers, self.peaks, strict=True)):
            for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                group["lr"] = peak * factor
            place = (1 + processes.rank(), self.history.steps, *((turn,) if turn else ()))
            generator = generator_for(self.seed, *place, device=self.device)
            with autocast(self.budget.precision, self.device), torch.random.fork_rng(devices=[]):
                chance = torch.cuda if self.device.type == "cuda" else torch.default_generator
                chance.manual_seed(generator.initial_seed())  # dropout has no generator of its own
                terms = player.terms(indices, generator)
            optimiser.zero_grad(set_to_none=True)
            terms["loss"].backward()
            processes.average_gradients(player.module)
            if self.budget.clip is not None:
                nn.utils.clip_grad_norm_(player.module.parameters(), self.budget.clip)
            optimiser.step()
            values |= {f"{player.name} {name}".strip(): value.detach().float() for name, value in terms.items()}
        self.names = list(values)
        self.pending.append(torch.stack(list(values.values())))  # (terms,), stays on the device
        self.history.steps += 1

    def collect(self) -> float:
        """Move the terms of the last steps into the history, the only wait for the device; returns the last loss."""
        if not self.pending:
            return float("nan")
        values = torch.stack(self.pending).cpu()  # (steps, terms)
        first = self.history.steps - len(values) + 1
        for step, row in enumerate(values.tolist(), first):
            bad = [name for name, value in zip(self.names, row, strict=True) if not math.isfinite(value)]
            if bad:
                said = f"Training stopped at step {step}: {', '.join(bad)} is not finite"
                raise TrainingDiverged(f"{said}. Lower the learning rate; the last checkpoint, if any, is from before.")
            for name, value in zip(("samples", *self.names), (step * self.budget.batch, *row), strict=True):
                self.history.batches.setdefault(name, []).append(value)
        self.pending.clear()
        return next(value for name, value in zip(self.names, row, strict=True) if name.split()[-1] == "loss")

    @torch.no_grad()
    def test(self, epoch: float) -> None:
        """Append the terms on held-out data; the same random views each time: the curve shows the model alone."""
        module, history = self.task.module.eval(), self.history
        with autocast(self.budget.precision, self.device):
            terms = self.task.test_terms(generator_for(self.seed, 0, -1, device=self.device))
        module.train()
        if terms:
            for name, value in {"epoch": epoch, "samples": history.steps * self.budget.batch, **terms}.items():
                history.epochs.setdefault(name, []).append(float(value))

    def save(self) -> None:
        """Write everything to the checkpoint, if there is a folder for it."""
        self.collect()
        self.saved_at = self.history.seconds
        if self.path is None or processes.rank() != 0:
            return
        state = {"module": self.task.module.state_dict(), "history": vars(self.history)}
        state["optimisers"] = [o.state_dict() for o in self.optimisers]
        if hasattr(self.task, "state_dict"):
            state["task"] = self.task.state_dict()
        save_checkpoint(self.path, state)

    def restore(self) -> None:
        """Take everything up from the checkpoint."""
        state = load_checkpoint(self.path, self.device)
        self.task.module.load_state_dict(state["module"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        if hasattr(self.task, "load_state_dict"):
            self.task.load_state_dict(state["task"])
        self.history = History(**state["history"])
        self.saved_at = self.history.seconds
