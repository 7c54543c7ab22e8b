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


class Task(Protocol):
    """What a recipe hands to `fit`: a module with all weights, the number of samples, and the loss of a batch."""

    module: nn.Module
    samples: int

    def terms(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Named scalars of one batch; the entry "loss" is minimised."""

    def test_terms(self, generator: torch.Generator) -> dict[str, Tensor]:
        """The same names on held-out data, without gradients; {} for none."""


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
    checkpoint_every: float = 30.0  # seconds of training between two checkpoints

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.minutes is None):
            raise ValueError("Give a budget either in epochs or in minutes, and set the other to None.")
        if (self.epochs or self.minutes or 0) <= 0 or self.batch < 2:
            raise ValueError(f"The budget must be positive and the batch at least 2, got {self}.")


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
    module = processes.join_batch_norms(task.module.to(device)).to(memory_format=torch.channels_last)
    optimiser = build_optimiser(
        budget.optimiser, module.parameters(), budget.learning_rate, budget.weight_decay, budget.betas
    )
    peaks = [group["lr"] for group in optimiser.param_groups]
    if budget.batch % processes.size():
        raise ValueError(
            f"A batch of {budget.batch} cannot be shared equally by {processes.size()} processes; choose a multiple of that."
        )
    per_epoch = task.samples // budget.batch
    if per_epoch == 0:
        raise ValueError(f"A batch of {budget.batch} needs at least as many samples; there are {task.samples}.")
    total = max(1, round(budget.epochs * per_epoch)) if budget.epochs else None
    path = None if folder is None else Path(folder) / "checkpoint.pt"
    history = History()
    if resume:
        history = _restore(path, module, optimiser, device)
    if budget.compile:
        compile_if_possible(module)

    def spent(step: int, seconds: float) -> float:
        return step / total if total else min(1.0, seconds / (60 * budget.minutes))

    step, pending, saved_at, clock = history.steps, [], history.seconds, time.perf_counter() - history.seconds
    order, order_epoch = None, -1
    module.train()
    with Bar(title, show and processes.rank() == 0) as bar:
        while (done := processes.agree(spent(step, time.perf_counter() - clock))) < 1.0:
            epoch, within = divmod(step, per_epoch)
            if epoch != order_epoch:
                order, order_epoch = torch.randperm(task.samples, generator=generator_for(seed, 0, epoch)), epoch
            indices = order[within * budget.batch : (within + 1) * budget.batch]  # (batch,)
            indices = indices.chunk(processes.size())[processes.rank()]  # (batch / processes,)
            generator = generator_for(seed, 1 + processes.rank(), step, device=device)
            for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                group["lr"] = peak * warmup_cosine(done, budget.warmup)
            with autocast(budget.precision, device):
                terms = task.terms(indices, generator)
            optimiser.zero_grad(set_to_none=True)
            terms["loss"].backward()
            processes.average_gradients(module)
            optimiser.step()
            step += 1
            pending.append(torch.stack([value.detach().float() for value in terms.values()]))  # (terms,), stays on the device
            end_of_epoch = step % per_epoch == 0 or step == total
            if len(pending) == 50 or end_of_epoch:
                loss = _collect(history, list(terms), pending, step, budget.batch)
                bar.update(spent(step, time.perf_counter() - clock), f"loss {loss:.3g}")
            if not end_of_epoch and time.perf_counter() - clock - saved_at < budget.checkpoint_every:
                continue
            history.seconds, history.steps = time.perf_counter() - clock, step
            if end_of_epoch:
                _test(task, history, seed, step / per_epoch, step * budget.batch, budget.precision, device)
                if after_epoch is not None:
                    after_epoch(history.seconds)
            if path is not None and processes.rank() == 0 and history.seconds - saved_at >= budget.checkpoint_every:
                _collect(history, list(terms), pending, step, budget.batch)
                _save(path, module, optimiser, history)
                saved_at = history.seconds
            clock = time.perf_counter() - history.seconds  # evaluation and checkpoints do not count as training time
    history.seconds, history.steps = time.perf_counter() - clock, step
    _collect(history, list(terms) if pending else [], pending, step, budget.batch)
    if path is not None and processes.rank() == 0:
        _save(path, module, optimiser, history)
    processes.agree(0.0)  # no process goes on before the last checkpoint is written
    module.eval()
    return history


def _collect(history: History, names: list[str], pending: list[Tensor], step: int, batch: int) -> float:
    """Move the terms of the last batches from the device into the history: the only place where the loop waits for it."""
    if not pending:
        return history.batches.get("loss", [float("nan")])[-1]
    values = torch.stack(pending).cpu()  # (batches, terms)
    for row in range(len(values)):
        at = step - len(values) + 1 + row
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
    return history.batches["loss"][-1]


@torch.no_grad()
def _test(task: Task, history: History, seed: int, epoch: float, samples: int, precision: str, device: torch.device) -> None:
    """Append the terms on held-out data; the same random views every epoch, so that the curve shows the model alone."""
    task.module.eval()
    with autocast(precision, device):
        terms = task.test_terms(generator_for(seed, 0, -1, device=device))
    task.module.train()
    if terms:
        for name, value in {"epoch": epoch, "samples": samples, **terms}.items():
            history.epochs.setdefault(name, []).append(float(value))


def _save(path: Path, module: nn.Module, optimiser: torch.optim.Optimizer, history: History) -> None:
    state = {"module": module.state_dict(), "optimiser": optimiser.state_dict(), "history": vars(history)}
    save_checkpoint(path, state)


def _restore(path: Path | None, module: nn.Module, optimiser: torch.optim.Optimizer, device: torch.device) -> History:
    if path is None:
        raise ValueError("To resume, say from which folder: fit(..., folder=..., resume=True).")
    state = load_checkpoint(path, device)
    module.load_state_dict(state["module"])
    optimiser.load_state_dict(state["optimiser"])
    return replace(History(), **state["history"])
