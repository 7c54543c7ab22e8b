"""Trained encoders as small checked files: where one lies, what made it; trained when missing, never replaced in silence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from latentlab.data import Dataset, data_root, repository
from latentlab.training import CheckpointError, load_weights, save_weights

from .contract import as_dict, from_dict

HERE = repository() / "data"  # of the clone this file lies in


def path_of(name: str, seed: int, preset: str) -> Path:
    """Where a trained encoder lies, or will lie: in the data folder, or among the committed ones of this clone."""
    places = [root / "checkpoints" / preset / f"{name}-{seed}.safetensors" for root in (data_root(), HERE)]
    return next((place for place in places if place.exists()), places[0])


def keep(path: Path, encoder: nn.Module, settings: Any, train: Dataset, more: dict[str, str] | None = None) -> None:
    """Save a trained encoder in float16, with its settings and the checksum of its images beside it, and `more`."""
    about = {"settings": json.dumps(as_dict(settings), sort_keys=True), "data": train.checksum, "torch": torch.__version__}
    save_weights(path, encoder, about | (more or {}), dtype=torch.float16)


def fetch(
    path: Path, blank: nn.Module, settings: Any, train: Dataset, make: Callable[[], None], hint: str = ""
) -> dict[str, str]:
    """Fill `blank` with the weights at `path` and return what stands beside them; `make` trains and keeps a missing one.

    Raises CheckpointError for a file that is damaged or was made with other settings or images: nothing is replaced.
    """
    if not path.exists():
        print(f"No trained encoder at data/checkpoints/{path.parent.name}/{path.name}: training it now.")
        make()
    about = load_weights(path, blank)
    if differs := _differs(about, settings, train):
        raise CheckpointError(
            f"{path} was trained with other settings or data than this notebook's (it names other {differs}). "
            f"Delete it and run the cell again: it is then trained anew.{hint}"
        )
    return about


def _differs(about: dict[str, str], settings: Any, train: Dataset) -> str:
    """What a file was made with that is not as it is here, "settings" or "data"; empty if nothing is.

    A field that was added since has its default.
    """
    try:
        same = from_dict(type(settings), json.loads(about["settings"])) == settings
    except (KeyError, ValueError):
        same = False
    if not same:
        return "settings"
    return "" if about.get("data") == train.checksum else "data"
