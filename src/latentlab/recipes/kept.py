"""Trained encoders as small checked files: trained when missing, and never replaced in silence."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from latentlab.data import Dataset, data_root, repository
from latentlab.recipes.contract import from_dict
from latentlab.training import CheckpointError, load_weights, save_weights

HERE = repository() / "data"  # of the clone this file lies in


def path_of(name: str, seed: int, preset: str) -> Path:
    """Where a trained encoder lies, or will lie: in the data folder, or among the committed ones of this clone."""
    places = [root / "checkpoints" / preset / f"{name}-{seed}.safetensors" for root in (data_root(), HERE)]
    return next((place for place in places if place.exists()), places[0])


def keep(path: Path, encoder: nn.Module, settings: Any, train: Dataset, more: dict[str, str] | None = None) -> None:
    """Save a trained encoder in float16, with its settings and the checksum of its images beside it, and `more`."""
    about = {"settings": json.dumps(asdict(settings), sort_keys=True), "data": train.checksum}
    save_weights(path, encoder, about | {"torch": torch.__version__} | (more or {}), dtype=torch.float16)


def fetch(path: Path, blank: nn.Module, settings: Any, train: Dataset, make: Callable, hint: str = "") -> dict:
    """Fill `blank` with the weights at `path`, return what stands beside them; `make` trains and keeps a missing one.

    Raises CheckpointError for a file that is damaged or was made with other settings or images: nothing is replaced.
    """
    if not path.exists():
        print(f"No trained encoder at data/checkpoints/{path.parent.name}/{path.name}: training it now.")
        make()
    about = load_weights(path, blank)
    try:  # a field that was added since has its default
        same = from_dict(type(settings), json.loads(about["settings"])) == settings
    except (KeyError, ValueError):
        same = False
    if not same or about.get("data") != train.checksum:
        other = "data" if same else "settings"
        raise CheckpointError(f"{path} was made with other {other}. Delete it: the cell then trains it anew.{hint}")
    return about


def once(path: Path, blank: nn.Module, settings: Any, train: Dataset, make: Callable[[], nn.Module]) -> nn.Module:
    """`blank` in evaluation mode with the weights at `path`; a missing file is first made of `make()`. See `fetch`."""
    fetch(path, blank, settings, train, lambda: keep(path, make(), settings, train))
    return blank.eval()
