"""What every recipe offers, and a run on disk: settings, checkpoint while it trains, weights and scores when it is done.

A recipe is a module, listed in `RECIPES`, with

    Settings, PRESETS                          what decides a run: a frozen dataclass with defaults; "quick", "cpu", "gpu"
    build(settings, shape, seed) -> Module     a fresh network for images (c, h, w)
    run(settings, *, train, test, seed, device, folder, resume, show) -> Run
    scores(network, settings, train, test) -> {name: number}
    sample(network, settings, n, generator) -> images (n, c, h, w) in [0, 1], if it generates any

Recipes never load data: who calls them hands it over.
"""

import dataclasses
import importlib
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from latentlab.training import History, load_weights, save_weights, write_atomically
from latentlab.training.processes import agree, rank

from . import RECIPES


@dataclass
class Run:
    """A trained network, its history, and the settings and seed that made it."""

    network: nn.Module
    history: History
    settings: Any
    seed: int

    @property
    def encoder(self) -> nn.Module:
        """The part that makes representations. Raises AttributeError for a network without one."""
        return self.network.encoder


def recipe(name: str, needs: str = "PRESETS") -> ModuleType:
    """The recipe of that name. Raises ValueError with the names there are, or if it does not offer what is needed."""
    if name not in RECIPES:
        raise ValueError(f"There is no recipe {name!r}; there is {', '.join(RECIPES)}.")
    module = importlib.import_module(RECIPES[name])
    if not hasattr(module, needs):
        raise ValueError(f"Recipe {name!r} has no {needs}().")
    return module


def preset(name: str, which: str) -> Any:
    """The settings object `which` of recipe `name`. Raises ValueError for an unknown one."""
    presets = recipe(name).PRESETS
    if which not in presets:
        raise ValueError(f"Recipe {name!r} has no preset {which!r}; it has {', '.join(presets)}.")
    return presets[which]


def as_dict(settings: Any) -> dict[str, Any]:
    """Settings as plain numbers and words, for a JSON file; `from_dict` reads them back."""
    return dataclasses.asdict(settings)


def from_dict(kind: type, values: Mapping[str, Any]) -> Any:
    """A settings object of class `kind`: a field that the file lacks has its default, whenever it was added.

    Raises ValueError for a field that does not exist, or exists no more, and says which there are.
    """
    hints, known = typing.get_type_hints(kind), [f.name for f in dataclasses.fields(kind)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {', '.join(unknown)}; it has {', '.join(known)}.")
    return kind(**{name: _typed(hints[name], value) for name, value in values.items()})


def _typed(hint: Any, value: Any) -> Any:
    """Lists back to tuples, dictionaries back to dataclasses."""
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return from_dict(hint, value)
    return _tuples(value) if isinstance(value, list) else value


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def changed(settings: Any, changes: Mapping[str, Any]) -> Any:
    """Settings with some fields changed by name ("views", "budget.batch", …). Raises ValueError for an unknown name."""
    values = as_dict(settings)
    for name, value in changes.items():
        place, *parts = values, *name.split(".")
        for part in parts[:-1]:
            place = place.get(part) if isinstance(place.get(part), dict) else {}
        if parts[-1] not in place:
            raise ValueError(f"There is no setting {name!r}; there is {', '.join(_names(values))}.")
        place[parts[-1]] = value
    return from_dict(type(settings), values)


def _names(values: Mapping[str, Any], before: str = "") -> list[str]:
    return [n for k, v in values.items() for n in (_names(v, f"{k}.") if isinstance(v, dict) else [before + k])]


def begin(folder: Path | str, name: str, settings: Any, seed: int) -> None:
    """Write down what is about to be trained; raises FileExistsError if the folder holds another run."""
    folder = Path(folder)
    if agree((folder / "settings.json").exists()):  # one process looks, before any writes
        raise FileExistsError(
            f"{folder} already holds a run. Go on with it by `python -m latentlab resume {folder}`, or choose another --out."
        )
    if rank() == 0:
        write_json(folder / "settings.json", {"recipe": name, "seed": seed, "settings": as_dict(settings)})
    agree(0.0)  # the others read it next


def read(folder: Path | str) -> tuple[ModuleType, Any, int]:
    """Recipe, settings and seed of a run. Raises FileNotFoundError if the folder holds none, ValueError if it is damaged."""
    path = Path(folder) / "settings.json"
    if not path.exists():
        raise FileNotFoundError(f"{folder} holds no run (no settings.json). Start one with `python -m latentlab train`.")
    try:
        about = json.loads(path.read_text())
        module, values, seed = recipe(about["recipe"]), about["settings"], about["seed"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}). Start the run anew in another folder; nothing was changed.") from error
    return module, from_dict(module.Settings, values), seed


def finish(folder: Path | str, run: Run) -> str:
    """Save the trained network's weights; returns their checksum."""
    if rank() != 0:
        return ""
    about = {"data": run.settings.data, "seed": str(run.seed), "minutes": f"{run.history.seconds / 60:.1f}"}
    return save_weights(Path(folder) / "weights.safetensors", run.network, about)


def trained(folder: Path | str, shape: tuple[int, int, int]) -> nn.Module:
    """The network of a finished run; raises CheckpointError if the run is not finished or its file is damaged."""
    module, settings, seed = read(folder)
    network = module.build(settings, shape, seed)
    load_weights(Path(folder) / "weights.safetensors", network)
    return network.eval()


def write_json(path: Path | str, values: dict) -> None:
    """A dictionary as a JSON file, atomically."""
    write_atomically(path, (json.dumps(values, indent=2) + "\n").encode())
