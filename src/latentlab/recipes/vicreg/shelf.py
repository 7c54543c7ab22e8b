"""Trained encoders that several notebooks share: small checked files, trained when missing, never replaced in silence.

`take("vicreg", seed, preset)` returns the encoder from data/checkpoints/<preset>/, where the quick ones are committed.
`python -m latentlab shelf --preset cpu` trains all that are missing.
"""

import json
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latentlab.data import Dataset

from ..kept import fetch, keep, path_of
from ..represent import represent
from . import pretraining as vicreg
from .ablations import SEEDS, VARIANTS, agreement, partners, seeds, settings

__all__ = ["SEEDS", "Shelved", "fill", "take", "take_all"]


@dataclass(frozen=True)
class Shelved:
    """A trained encoder with what was measured while it trained."""

    encoder: nn.Module
    curves: dict[str, list[float]]  # the loss terms of every batch, with "samples": how many images had been seen
    agreement: float | None  # share of its partners that have the class of their image; None without partners
    settings: vicreg.Settings
    seed: int


def take(name: str, seed: int, preset: str, *, train: Dataset, device: torch.device | str = "cpu") -> Shelved:
    """The trained encoder of a variant of `ablations.VARIANTS`, in evaluation mode.

    A missing one is trained, with a line that says so, and saved. Raises CheckpointError for a file that is damaged or was made
    with other settings or data: nothing is replaced before you delete it. ValueError for an unknown variant or preset.
    """
    chosen = settings(name, preset)
    encoder = vicreg.build(chosen, train.images.shape[1:], seed).encoder
    about = fetch(
        path_of(name, seed, preset), encoder, chosen, train, lambda: _train(name, seed, preset, device, train),
        f" For all of them: python -m latentlab shelf --preset {preset} --again",
    )  # fmt: skip
    shared = json.loads(about["agreement"])
    return Shelved(encoder.to(device).eval(), json.loads(about["curves"]), shared, chosen, seed)


def _train(name: str, seed: int, preset: str, device: torch.device | str, train: Dataset) -> None:
    chosen, kind = settings(name, preset), VARIANTS[name].partner
    y: Tensor | None = None
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


def fill(preset: str, names: list[str], *, train: Dataset, again: bool = False, device: torch.device | str = "cpu") -> None:
    """Train every encoder that is missing (all of them with `again`), and say where each lies."""
    for name in names:
        for seed in seeds(name, preset):
            path = path_of(name, seed, preset)
            if again and path.exists():
                _train(name, seed, preset, device, train)  # the old file stays until the new one is whole
            shelved = take(name, seed, preset, device=device, train=train)
            print(f"{path}: {len(shelved.curves['samples'])} steps", flush=True)
