"""A run on disk: one folder with its settings, its checkpoint while it trains, its weights and scores when it is done."""

import json
from pathlib import Path
from types import ModuleType

from latentlab.data import Dataset
from latentlab.evaluation import knn, linear_probe, linear_probe_converged
from latentlab.training import load_weights, save_weights, write_atomically
from latentlab.training.processes import agree, rank

from . import vicreg
from .represent import pixels, represent

RECIPES: dict[str, ModuleType] = {"vicreg": vicreg}


def recipe(name: str) -> ModuleType:
    """The recipe of that name; raises ValueError with the names there are."""
    if name not in RECIPES:
        raise ValueError(f"There is no recipe {name!r}; there is {', '.join(RECIPES)}.")
    return RECIPES[name]


def begin(folder: Path | str, name: str, settings: object, seed: int) -> None:
    """Write down what is about to be trained; raises FileExistsError if the folder holds another run."""
    folder = Path(folder)
    if agree((folder / "settings.json").exists()):  # one process looks, before any writes
        raise FileExistsError(
            f"{folder} already holds a run. Go on with it by `python -m latentlab resume {folder}`, or choose another --out."
        )
    about = {"recipe": name, "seed": seed, "settings": recipe(name).as_dict(settings)}
    if rank() == 0:
        write_json(folder / "settings.json", about)
    agree(0.0)  # the others read it next


def read(folder: Path | str) -> tuple[ModuleType, object, int]:
    """Recipe, settings and seed of a run; raises FileNotFoundError if the folder holds none."""
    path = Path(folder) / "settings.json"
    if not path.exists():
        raise FileNotFoundError(f"{folder} holds no run (no settings.json). Start one with `python -m latentlab train`.")
    about = json.loads(path.read_text())
    chosen = recipe(about["recipe"])
    return chosen, chosen.from_dict(about["settings"]), about["seed"]


def finish(folder: Path | str, run: vicreg.Run) -> str:
    """Save the trained network's weights; returns their checksum."""
    if rank() != 0:
        return ""
    about = {"data": run.settings.data, "seed": str(run.seed), "minutes": f"{run.history.seconds / 60:.1f}"}
    return save_weights(Path(folder) / "weights.safetensors", run.network, about)


def encoder_of(folder: Path | str, channels: int):
    """The trained encoder of a finished run; raises CheckpointError if the run is not finished or its file is damaged."""
    chosen, settings, seed = read(folder)
    network = chosen.build(settings, channels, seed)
    load_weights(Path(folder) / "weights.safetensors", network)
    return network.encoder.eval()


def write_json(path: Path | str, values: dict) -> None:
    """A dictionary as a JSON file, atomically."""
    write_atomically(path, (json.dumps(values, indent=2) + "\n").encode())


def score_arrays(train_y, train: Dataset, test_y, test: Dataset, *, k: int = 20) -> dict[str, object]:
    """Every accuracy of the course for one representation: 10-epoch probe, converged probe, nearest neighbours.

    The 10-epoch probe on raw features is the report's; `Score` objects with intervals come back, one a line of a table.
    """
    return {
        "probe": linear_probe(train_y, train.labels, test_y, test.labels),
        "probe, standardised": linear_probe(train_y, train.labels, test_y, test.labels, standardise=True),
        "probe, converged": linear_probe_converged(train_y, train.labels, test_y, test.labels),
        f"{k} neighbours": knn(train_y, train.labels, test_y, test.labels, k=k),
    }


def score_table(encoders: dict[str, object], train: Dataset, test: Dataset) -> dict[str, dict[str, object]]:
    """`score_arrays` of several encoders, with raw pixels beside them."""
    table = {"raw pixels": score_arrays(pixels(train.images), train, pixels(test.images), test)}
    for name, encoder in encoders.items():
        table[name] = score_arrays(represent(encoder, train.images), train, represent(encoder, test.images), test)
    return table
