"""The command line: `python -m latentlab train NAME …`, `resume`, `evaluate`, `sample`, `shelf`, `grade`."""

import argparse
import ast
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from latentlab.data import Dataset, load
from latentlab.grading import run as grading
from latentlab.recipes import RECIPES, contract
from latentlab.recipes.vicreg import ablations
from latentlab.recipes.vicreg import shelf as kept
from latentlab.training import CheckpointError, TrainingDiverged, checksum, processes


def train(given: argparse.Namespace) -> None:
    """Start a run: the preset's settings with what the command line changes."""
    contract.recipe(given.recipe, needs="run")
    changes = dict(given.set) | ({"data": given.data} if given.data else {})
    if given.minutes is not None or given.epochs is not None:
        changes |= {"budget.minutes": given.minutes, "budget.epochs": given.epochs}
    settings = contract.changed(contract.preset(given.recipe, given.preset), changes)
    data = data_of(settings, given)  # what is missing or damaged is told before a folder is made
    contract.begin(given.run, given.recipe, settings, given.seed)
    resume(given, data)


def resume(given: argparse.Namespace, data: dict[str, Dataset] | None = None) -> None:
    """Take a run up where its checkpoint stands; a run without one starts at its beginning."""
    module, settings, seed = contract.read(given.run)
    where = {"device": given.device, "folder": given.run, "resume": (Path(given.run) / "checkpoint.pt").exists()}
    run = module.run(settings, **(data or data_of(settings, given)), seed=seed, **where)
    digest = contract.finish(given.run, run)
    if processes.rank() == 0:
        print(f"{given.run}: {run.history.steps} steps, {run.history.seconds / 60:.1f} minutes, weights {digest[:16]}")


def evaluate(given: argparse.Namespace) -> None:
    """Print what is measured of a finished run, and keep it as scores.json."""
    module, settings, _ = contract.read(given.run)
    train, test = data_of(settings, given).values()
    network = contract.trained(given.run, train.images.shape[1:])
    print(f"{train.name}: {len(train)} training images, {len(test)} test images; weights {checksum(network)[:16]}")
    scores = module.scores(network.to(given.device), settings, train, test)
    for name, value in scores.items():
        print(f"{name:>34}  {value:.4g}")
    contract.write_json(Path(given.run) / "scores.json", scores)


def sample(given: argparse.Namespace) -> None:
    """Draw images from a finished generative run into a picture file."""
    from latentlab.plots import image_grid

    module, settings, _ = contract.read(given.run)
    if not hasattr(module, "sample"):
        raise ValueError(f"{given.run} is no generative run: it has nothing to sample from.")
    network = contract.trained(given.run, data_of(settings, given)["train"].images.shape[1:]).to(given.device)
    generator = torch.Generator(given.device).manual_seed(given.seed)
    images = module.sample(network, settings, 64, generator).cpu().unflatten(0, (8, 8))  # (8, 8, c, h, w)
    figure = image_grid(images, [""] * 8, title=f"{Path(given.run).name}: samples, seed {given.seed}")
    Path(given.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(given.out)
    print(f"{given.out}: 64 samples")


def shelf(given: argparse.Namespace) -> None:
    """Train the encoders that notebooks share."""
    images = load(ablations.PRESETS[given.preset].data, "train", download=given.download)
    kept.fill(given.preset, given.variants, train=images, again=given.again, device=given.device)


def data_of(settings: Any, given: argparse.Namespace) -> dict[str, Any]:
    """Both splits of the data that the settings name."""
    return {split: load(settings.data, split, download=given.download) for split in ("train", "test")}


def assignment(text: str) -> tuple[str, Any]:
    """ "name=value" as a pair; the value is read as Python if it is a number, a word or a tuple."""
    name, value = text.split("=", 1)
    with suppress(ValueError, SyntaxError):
        value = ast.literal_eval(value)
    return name, value


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m latentlab", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="command")
    options = {}
    for call in (train, resume, evaluate, sample, shelf):
        one = commands.add_parser(call.__name__, help=call.__doc__)
        one.set_defaults(call=call)
        one.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
        one.add_argument("--download", action="store_true", help="fetch MNIST or CIFAR-10 if it is not there")
        if call in (resume, evaluate, sample):
            one.add_argument("run", metavar="folder")
        options[call] = one.add_argument
    option = options[train]
    option("recipe", help=f"one of those that train among {', '.join(RECIPES)}")
    option("--preset", default="quick", help="settings to start from: quick, cpu, gpu; vicreg also fast")
    option("--data", help="a data set's name, or a folder of images with one folder per class")
    option("--minutes", type=float, help="training time; the schedule follows it")
    option("--epochs", type=float, help="passes over the data, instead of minutes")
    change = {"type": assignment, "metavar": "NAME=VALUE", "help": "any setting, e.g. budget.batch=64"}
    option("--set", action="append", default=[], **change)
    option("--seed", type=int, default=0)
    option("--out", dest="run", required=True, metavar="FOLDER", help="folder of the run")
    options[sample]("--out", required=True, help="picture file to write")
    options[sample]("--seed", type=int, default=0)
    option, names = options[shelf], list(ablations.VARIANTS)
    option("--preset", default="quick", choices=list(ablations.PRESETS))
    option("--variants", nargs="+", default=names, choices=names, metavar="NAME")
    option("--again", action="store_true", help="train those that exist, too")
    grading.add_parser(commands)
    return top


def main(arguments: list[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    processes.start()
    try:
        given.call(given)
    except (ValueError, OSError, CheckpointError, TrainingDiverged) as problem:
        print(f"latentlab: {problem}", file=sys.stderr)
        return 1
    finally:
        processes.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
