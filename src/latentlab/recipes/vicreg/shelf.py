"""Trained encoders that several notebooks share: small checked files, trained when missing, never replaced in silence.

`take("vicreg", seed, preset)` returns the encoder from data/checkpoints/<preset>/, where the quick ones are committed.
`python -m latentlab shelf --preset cpu` trains all that are missing.
"""

import json
from dataclasses import dataclass

import torch
from torch import nn

from latentlab.data import Dataset

from ..kept import fetch, keep, path_of
from ..represent import represent
from . import pretraining as vicreg
from .ablations import SEEDS, VARIANTS, agreement, partners, seeds, settings  # noqa: F401 – notebooks ask for SEEDS


@dataclass(frozen=True)
class Shelved:
    """A trained encoder with what was measured while it trained."""

    encoder: nn.Module
    curves: dict[str, list[float]]  # the loss terms of every batch, with "samples": how many images had been seen
    agreement: float | None  # share of its partners that have the class of their image; None without partners
    settings: vicreg.Settings


def take(name: str, seed: int, preset: str, *, train: Dataset, device: torch.device | str = "cpu") -> Shelved:
    """The trained encoder of a variant of `ablations.VARIANTS`, in evaluation mode.

    A missing one is trained and saved; raises as `kept.fetch`, and ValueError for an unknown variant or preset.
    """
    chosen, hint = settings(name, preset), f" For all of them: python -m latentlab shelf --preset {preset} --again"
    encoder, path = vicreg.build(chosen, train.images.shape[1:], seed).encoder, path_of(name, seed, preset)
    about = fetch(path, encoder, chosen, train, lambda: _train(name, seed, preset, device, train), hint)
    return Shelved(encoder.to(device).eval(), json.loads(about["curves"]), json.loads(about["agreement"]), chosen)


def _train(name: str, seed: int, preset: str, device: torch.device | str, train: Dataset) -> None:
    chosen, kind, y = settings(name, preset), VARIANTS[name].partner, None
    if kind == "neighbour":  # found in what plain VICReg of the same seed has learned
        y = represent(take("vicreg", seed, preset, device=device, train=train).encoder, train.images)  # (n, d)
    table = partners(kind, train, y, seed=seed)
    run = vicreg.run(chosen, train=train, seed=seed, device=device, partners=table)
    curves = {term: [float(f"{value:.5g}") for value in values] for term, values in run.history.batches.items()}
    shared = None if table is None else agreement(table, train.labels)
    more = {"curves": json.dumps(curves), "agreement": json.dumps(shared)}
    keep(path_of(name, seed, preset), run.encoder, chosen, train, more)


def take_all(name: str, preset: str, *, train: Dataset, device: torch.device | str = "cpu") -> list[Shelved]:
    """`take` for every seed of a variant."""
    return [take(name, seed, preset, device=device, train=train) for seed in seeds(name, preset)]


def fill(preset: str, names: list[str], *, train: Dataset, again: bool, device: torch.device | str) -> None:
    """Train every encoder that is missing (all of them with `again`), and say where each lies."""
    for name, seed in ((one, seed) for one in names for seed in seeds(one, preset)):
        path = path_of(name, seed, preset)
        if again and path.exists():
            _train(name, seed, preset, device, train)  # the old file stays until the new one is whole
        shelved = take(name, seed, preset, device=device, train=train)
        print(f"{path}: {len(shelved.curves['samples'])} steps", flush=True)
