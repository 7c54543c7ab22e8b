"""The one training loop: every section of the course hands it a task and gets back a history.

Plain torch, not Lightning Fabric: Fabric would replace the device, autocast and launch lines (nine of them here), and the joint
batch norm, the gather and the resume would still be ours, so the loop would not get shorter while a dependency came on top.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from . import processes
from .checkpoint import load_checkpoint, save_checkpoint
from .machine import autocast, compile_if_possible, reuse_memory
from .optimiser import build_optimiser
from .progress import Bar
from .schedule import warmup_cosine

Terms = dict[str, Tensor]


class Task(Protocol):
    """What a recipe hands to `fit`: a module with all weights, the number of samples, and the loss of a batch.

    A task may have `players` (a GAN has two); without, it is one player itself. A task that keeps a state of its own between
    steps has `state_dict()` and `load_state_dict(state)`, as a module has: both go into the checkpoint.
    """

    module: nn.Module
    samples: int

    def terms(self, indices: Tensor, generator: torch.Generator) -> Terms:
        """Named scalars of one batch; the entry "loss" is minimised."""

    def test_terms(self, generator: torch.Generator) -> Terms:
        """The same names on held-out data, without gradients; {} for none."""


@dataclass(frozen=True)
class Player:
    """One of several who train in turn: its part of the task's module, its terms, its own step size if it has one.

    Only this player's weights move in its turn. Its terms are recorded as "<name> <term>"; "<name> loss" is what it minimises.
    """

    name: str
    module: nn.Module
    terms: Callable[[Tensor, torch.Generator], Terms]
    learning_rate: float | None = None  # None: the budget's
    betas: tuple[float, float] | None = None  # None: the budget's


@dataclass(frozen=True)
class Budget:
    """How long and how to train. Give `epochs`, or `minutes` of training time; the schedule follows whichever is given."""

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
    """Named terms over training: per batch on the training set, per epoch on the test set."""

    batches: dict[str, list[float]] = field(default_factory=dict)  # "samples" and each term, one entry a batch
    epochs: dict[str, list[float]] = field(default_factory=dict)  # "samples", "epoch" and each term, one entry an epoch
    seconds: float = 0.0  # training time, from the first batch, without evaluation and checkpoints
    steps: int = 0

    def as_curves(self) -> dict[str, dict[str, list[float]]]:
        """The form that `plots.loss_curves` draws."""
        return {"train": self.batches, "test": self.epochs}


class TrainingDiverged(RuntimeError):
    """A loss term is not a finite number any more; names the term and the step."""


def generator_for(seed: int, *place: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator that depends on nothing but the seed and the place in training, so that a resumed run needs no saved state."""
    number = seed
    for part in place:
        number = (number * 6364136223846793005 + part * 1442695040888963407 + 1) % 2**63
    return torch.Generator(device).manual_seed(number)


def fit(
    task: Task,
    budget: Budget,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    folder: Path | str | None = None,
    resume: bool = False,
    title: str = "training",
    show: bool = True,
    after_epoch: Callable[[float], None] | None = None,
) -> History:
    """Train `task.module` in place and return the history of its loss terms.

    With `folder`, the state goes to `folder/checkpoint.pt` every `budget.checkpoint_every` seconds and at the end; with `resume`
    it is taken up from there: on a CPU with a budget in epochs the final weights equal an uninterrupted run's bit for bit.
    `after_epoch(seconds)` is called with the training time so far. Raises TrainingDiverged if a term stops being finite, and
    CheckpointError if the checkpoint is missing or damaged.
    """
    reuse_memory()
    device = torch.device(device)
    if resume and folder is None:
        raise ValueError("To resume, say from which folder: fit(..., folder=..., resume=True).")
    state = _State(task, budget, device, None if folder is None else Path(folder) / "checkpoint.pt")
    if resume:
        state.restore()
    if budget.compile:
        compile_if_possible(task.module)
    history, per_epoch = state.history, _steps_per_epoch(task, budget)
    clock = _Clock(budget, per_epoch, history)
    batches = _Batches(task.samples, budget.batch, per_epoch, seed)
    test_steps = max(1, round(budget.test_every * per_epoch))
    task.module.train()
    with Bar(title, show and processes.rank() == 0) as bar:
        while (done := processes.agree(clock.spent())) < 1.0:
            state.set_rate(warmup_cosine(done, budget.warmup))
            state.step(batches.at(history.steps), seed)
            test = history.steps % test_steps == 0 or history.steps == clock.total
            if test or len(state.pending) == 50:
                bar.update(clock.spent(), f"loss {state.collect():.3g}")
            if not test and clock.seconds() - state.saved_at < budget.checkpoint_every:
                continue
            history.seconds = clock.seconds()
            if test:
                _test(task, history, seed, history.steps / per_epoch, budget, device)
                if after_epoch is not None:
                    after_epoch(history.seconds)
            if history.seconds - state.saved_at >= budget.checkpoint_every:
                state.save()
            clock.restart(history.seconds)  # evaluation and checkpoints do not count as training time
    history.seconds = clock.seconds()
    state.collect()
    state.save()
    processes.agree(0.0)  # no process goes on before the last checkpoint is written
    task.module.eval()
    return history


def _steps_per_epoch(task: Task, budget: Budget) -> int:
    if budget.batch % processes.size():
        raise ValueError(
            f"A batch of {budget.batch} cannot be shared equally by {processes.size()} processes; choose a multiple of that."
        )
    if task.samples < budget.batch:
        raise ValueError(f"A batch of {budget.batch} needs at least as many samples; there are {task.samples}.")
    return task.samples // budget.batch


class _Clock:
    """How much of the budget is spent, in steps or in minutes of training."""

    def __init__(self, budget: Budget, per_epoch: int, history: History):
        self.total = max(1, round(budget.epochs * per_epoch)) if budget.epochs else None  # steps; None: by the minute
        self.limit = None if budget.minutes is None else 60 * budget.minutes
        self.history = history
        self.restart(history.seconds)

    def restart(self, seconds: float) -> None:
        self.begun = time.perf_counter() - seconds

    def seconds(self) -> float:
        return time.perf_counter() - self.begun

    def spent(self) -> float:
        return self.history.steps / self.total if self.total else min(1.0, self.seconds() / self.limit)


class _Batches:
    """Which samples a step sees: every epoch in a new order, which depends on nothing but the seed and the epoch."""

    def __init__(self, samples: int, batch: int, per_epoch: int, seed: int):
        self.samples, self.batch, self.per_epoch, self.seed = samples, batch, per_epoch, seed
        self.epoch, self.order = -1, torch.empty(0)

    def at(self, step: int) -> Tensor:
        epoch, within = divmod(step, self.per_epoch)
        if epoch != self.epoch:
            self.order = torch.randperm(self.samples, generator=generator_for(self.seed, 0, epoch))  # (samples,)
            self.epoch = epoch
        indices = self.order[within * self.batch : (within + 1) * self.batch]  # (batch,)
        return indices.chunk(processes.size())[processes.rank()]  # (batch / processes,)


class _State:
    """All that a training changes: weights, optimisers, history; taken up from a checkpoint and written to it."""

    def __init__(self, task: Task, budget: Budget, device: torch.device, path: Path | None):
        self.task, self.budget, self.device, self.path = task, budget, device, path
        processes.join_batch_norms(task.module.to(device)).to(memory_format=torch.channels_last)
        self.players = getattr(task, "players", None) or (Player("", task.module, task.terms),)
        self.optimisers = [
            build_optimiser(
                budget.optimiser, p.module.parameters(), p.learning_rate or budget.learning_rate, budget.weight_decay,
                p.betas or budget.betas,
            )
            for p in self.players
        ]  # fmt: skip
        self.peaks = [[group["lr"] for group in o.param_groups] for o in self.optimisers]
        self.history, self.pending, self.names, self.saved_at = History(), [], [], 0.0

    def set_rate(self, factor: float) -> None:
        """Every learning rate at `factor` of its peak."""
        for optimiser, peaks in zip(self.optimisers, self.peaks, strict=True):
            for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                group["lr"] = peak * factor

    def step(self, indices: Tensor, seed: int) -> None:
        """Every player's turn on one batch."""
        values: Terms = {}
        for turn, (player, optimiser) in enumerate(zip(self.players, self.optimisers, strict=True)):
            place = (1 + processes.rank(), self.history.steps, *((turn,) if turn else ()))
            generator = generator_for(seed, *place, device=self.device)
            with autocast(self.budget.precision, self.device):
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
        """Move the terms of the last steps into the history; returns the last loss."""
        return _collect(self.history, self.names, self.pending, self.budget.batch)

    def save(self) -> None:
        """Write everything to the checkpoint, if there is a folder for it."""
        if self.path is None or processes.rank() != 0:
            return
        self.collect()
        state = {"module": self.task.module.state_dict(), "history": vars(self.history)}
        state["optimisers"] = [o.state_dict() for o in self.optimisers]
        if hasattr(self.task, "state_dict"):
            state["task"] = self.task.state_dict()
        save_checkpoint(self.path, state)
        self.saved_at = self.history.seconds

    def restore(self) -> None:
        """Take everything up from the checkpoint."""
        state = load_checkpoint(self.path, self.device)
        self.task.module.load_state_dict(state["module"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        if hasattr(self.task, "load_state_dict"):
            self.task.load_state_dict(state["task"])
        self.history = replace(History(), **state["history"])
        self.saved_at = self.history.seconds


def _collect(history: History, names: list[str], pending: list[Tensor], batch: int) -> float:
    """Move the terms of the last batches from the device into the history: the only place where the loop waits for it."""
    if not pending:
        return float("nan")
    values = torch.stack(pending).cpu()  # (batches, terms)
    for row in range(len(values)):
        at = history.steps - len(values) + 1 + row
        if not torch.isfinite(values[row]).all():
            bad = ", ".join(name for name, value in zip(names, values[row], strict=True) if not torch.isfinite(value))
            raise TrainingDiverged(
                f"Training stopped at step {at}: {bad} is not a finite number. Lower the learning rate, or look at the data "
                "for empty or constant images. The last checkpoint, if any, is from before this."
            )
        history.batches.setdefault("samples", []).append(at * batch)
        for name, value in zip(names, values[row].tolist(), strict=True):
            history.batches.setdefault(name, []).append(value)
    pending.clear()
    return next(history.batches[name][-1] for name in names if name.split()[-1] == "loss")


@torch.no_grad()
def _test(task: Task, history: History, seed: int, epoch: float, budget: Budget, device: torch.device) -> None:
    """Append the terms on held-out data; the same random views every time, so that the curve shows the model alone."""
    task.module.eval()
    with autocast(budget.precision, device):
        terms = task.test_terms(generator_for(seed, 0, -1, device=device))
    task.module.train()
    if terms:
        for name, value in {"epoch": epoch, "samples": history.steps * budget.batch, **terms}.items():
            history.epochs.setdefault(name, []).append(float(value))
