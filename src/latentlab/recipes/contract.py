"""What every recipe offers, and a run on disk: settings, checkpoint while it trains, weights and scores when done.

A recipe is a module, listed in `RECIPES`, with

    Settings, PRESETS                        what decides a run: a frozen dataclass; "quick", "cpu", "gpu"
    build(settings, shape, seed) -> Module   a fresh network for images (c, h, w)
    run(settings, *, train, test, seed, device, folder, resume, show) -> Run   the last three as in `training.fit`
    scores(network, settings, train, test) -> {name: number}
    sample(network, settings, n, generator) -> images (n, c, h, w) in [0, 1], if it generates any

Recipes never load data: who calls them hands it over.
"""

import importlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import torch
from torch import nn

from latentlab.training import History, Task, fit, load_weights, save_weights, write_atomically
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


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Weights made inside come from the seed; the global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def fitted(task: Task, settings: Any, *, seed: int, **how: Any) -> Run:
    """The task's module, trained with the settings' budget; how: whatever else `training.fit` takes."""
    return Run(task.module, fit(task, settings.budget, seed=seed, **how), settings, seed)


def recipe(name: str, needs: str = "PRESETS") -> ModuleType:
    """The recipe of that name. Raises ValueError if there is none, or if it does not offer what is needed."""
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


def from_dict(kind: type, values: Mapping[str, Any]) -> Any:
    """Settings of class `kind` from a JSON file's values: a field that the file lacks has its default.

    Raises ValueError for a field that does not exist, or exists no more, and says which there are.
    """
    known = get_type_hints(kind)
    if unknown := sorted(set(values) - set(known)):
        raise ValueError(f"{kind.__name__} has no field {', '.join(unknown)}; it has {', '.join(known)}.")
    return kind(**{name: _typed(known[name], value) for name, value in values.items()})


def _typed(hint: Any, value: Any) -> Any:
    """Lists back to tuples, dictionaries back to dataclasses."""
    if is_dataclass(hint) and isinstance(value, Mapping):
        return from_dict(hint, value)
    return tuple(_typed(None, one) for one in value) if isinstance(value, list) else value


def changed(settings: Any, changes: Mapping[str, Any]) -> Any:
    """Settings with some fields changed by name ("views", "budget.batch", …); ValueError for an unknown name."""
    values = asdict(settings)
    known = _names(values)
    for name, value in changes.items():
        if name not in known:
            raise ValueError(f"There is no setting {name!r}; there is {', '.join(known)}.")
        place, (*path, last) = values, name.split(".")
        for part in path:
            place = place[part]
        place[last] = value
    return from_dict(type(settings), values)


def _names(values: Mapping[str, Any]) -> list[str]:
    """The names of all settings; of those inside another, "budget.clip"."""
    inside = {key: _names(value) for key, value in values.items() if isinstance(value, dict)}
    return [name for key in values for name in ([f"{key}.{n}" for n in inside[key]] if key in inside else [key])]


def begin(folder: Path | str, name: str, settings: Any, seed: int) -> None:
    """Write down what is about to be trained; raises FileExistsError if the folder holds another run."""
    files = Path(folder) / "settings.json", Path(folder) / "checkpoint.pt"
    if agree(any(file.exists() for file in files)):  # one process looks, before any writes
        hint = f"Go on with it by `python -m latentlab resume {folder}`, choose another --out, or delete the folder."
        raise FileExistsError(f"{folder} already holds a run. {hint}")
    if rank() == 0:
        write_json(files[0], {"recipe": name, "seed": seed, "settings": asdict(settings)})
    agree(0.0)  # the others read it next


def read(folder: Path | str) -> tuple[ModuleType, Any, int]:
    """Recipe, settings and seed of a run. Raises FileNotFoundError if there is none, ValueError if it is damaged."""
    path = Path(folder) / "settings.json"
    if not path.exists():
        raise FileNotFoundError(f"{folder} holds no run (no settings.json). Start one: `python -m latentlab train`.")
    try:
        about = json.loads(path.read_text())
        module, values, seed = recipe(about["recipe"]), about["settings"], about["seed"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}). Start anew in another folder; nothing was changed.") from error
    return module, from_dict(module.Settings, values), seed


def finish(folder: Path | str, run: Run) -> str:
    """Save the trained network's weights; returns their checksum."""
    if rank() != 0:
        return ""
    about = {"data": run.settings.data, "seed": str(run.seed), "minutes": f"{run.history.seconds / 60:.1f}"}
    return save_weights(Path(folder) / "weights.safetensors", run.network, about)


def trained(folder: Path | str, shape: tuple[int, int, int]) -> nn.Module:
    """The network of a finished run; raises CheckpointError if it is not finished or its file is damaged."""
    module, settings, seed = read(folder)
    network = module.build(settings, shape, seed)
    load_weights(Path(folder) / "weights.safetensors", network)
    return network.eval()


def write_json(path: Path | str, values: dict) -> None:
    """A dictionary as a JSON file, atomically."""
    write_atomically(path, (json.dumps(values, indent=2) + "\n").encode())
