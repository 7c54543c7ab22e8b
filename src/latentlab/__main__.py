"""The command line: `python -m latentlab train NAME …`, `resume`, `evaluate`, `sample`, `shelf`, `grade`."""

import argparse
import ast
import sys
from pathlib import Path
from typing import Any

import torch

from latentlab.data import load
from latentlab.grading import run as grading
from latentlab.recipes import RECIPES, contract
from latentlab.recipes.vicreg import ablations, shelf
from latentlab.training import CheckpointError, TrainingDiverged, checksum, processes


def train(given: argparse.Namespace) -> None:
    """Start a run: the preset's settings with what the command line changes."""
    contract.recipe(given.recipe, needs="run")
    settings = contract.preset(given.recipe, given.preset)
    changes = dict(given.set or ()) | ({"data": given.data} if given.data else {})
    if given.minutes or given.epochs:
        changes |= {"budget.minutes": given.minutes, "budget.epochs": given.epochs}
    changes |= {f"budget.{name}": value for name in ("batch", "precision") if (value := getattr(given, name))}
    contract.begin(given.out, given.recipe, contract.changed(settings, changes), given.seed)
    run_recipe(given, resume=False)


def resume(given: argparse.Namespace) -> None:
    """Take a run up where its checkpoint stands; a run without one starts at its beginning."""
    run_recipe(given, resume=(Path(given.out) / "checkpoint.pt").exists())


def run_recipe(given: argparse.Namespace, resume: bool) -> None:
    module, settings, seed = contract.read(given.out)
    sets = data_of(settings, given)
    run = module.run(settings, **sets, seed=seed, device=given.device, folder=given.out, resume=resume)
    digest = contract.finish(given.out, run)
    if processes.rank() == 0:
        print(f"{given.out}: {run.history.steps} steps in {run.history.seconds / 60:.1f} minutes, weights {digest[:16]}")


def evaluate(given: argparse.Namespace) -> None:
    """Print what is measured of a finished run, and keep it as scores.json."""
    module, settings, _ = contract.read(given.out)
    train, test = data_of(settings, given).values()
    network = contract.trained(given.out, train.images.shape[1:])
    print(f"{train.name}: {len(train)} training images, {len(test)} test images; weights {checksum(network)[:16]}")
    scores = module.scores(network.to(given.device), settings, train, test)
    for name, value in scores.items():
        print(f"{name:>34}  {value:.4g}")
    contract.write_json(Path(given.out) / "scores.json", scores)


def sample(given: argparse.Namespace) -> None:
    """Draw images from a finished generative run into a picture file."""
    from latentlab.plots import image_grid

    module, settings, _ = contract.read(given.run)
    if not hasattr(module, "sample"):
        raise ValueError(f"{given.run} is no generative run: it has nothing to sample from.")
    shape = data_of(settings, given)["train"].images.shape[1:]
    network = contract.trained(given.run, shape).to(given.device)
    generator = torch.Generator(given.device).manual_seed(given.seed)
    images = module.sample(network, settings, given.rows**2, generator).cpu()  # (n, c, h, w)
    rows = images.unflatten(0, (given.rows, given.rows))  # (rows, rows, c, h, w)
    figure = image_grid(rows, [""] * given.rows, title=f"{Path(given.run).name}: samples, seed {given.seed}")
    Path(given.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(given.out)
    print(f"{given.out}: {len(images)} samples")


def fill(given: argparse.Namespace) -> None:
    """Train the encoders that notebooks share."""
    images = load(ablations.PRESETS[given.preset].data, "train", download=given.download)
    shelf.fill(given.preset, given.variants, train=images, again=given.again, device=given.device)


def data_of(settings: Any, given: argparse.Namespace) -> dict[str, Any]:
    """Both splits of the data that the settings name."""
    return {split: load(settings.data, split, download=given.download) for split in ("train", "test")}


def assignment(text: str) -> tuple[str, Any]:
    """"name=value" as a pair; the value is read as Python if it is a number, a word or a tuple."""
    name, sign, value = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"expected name=value, got {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m latentlab", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="command")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    common.add_argument("--download", action="store_true", help="fetch MNIST or CIFAR-10 if it is not there")
    one = commands.add_parser("train", parents=[common], help="start a run")
    one.add_argument("recipe", help=f"one of those that train among {', '.join(RECIPES)}")
    one.add_argument("--preset", default="quick", help="settings to start from: quick, cpu or gpu")
    one.add_argument("--data", help="a data set's name, or a folder of images with one folder per class")
    one.add_argument("--minutes", type=float, help="training time; the schedule follows it")
    one.add_argument("--epochs", type=float, help="passes over the data, instead of minutes")
    one.add_argument("--batch", type=int)
    one.add_argument("--precision", choices=["auto", "float32", "bfloat16"])
    one.add_argument("--set", action="append", type=assignment, metavar="NAME=VALUE", help="any setting, e.g. budget.clip=1.0")
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--out", required=True, help="folder of the run")
    one.set_defaults(call=train)
    for call, text in ((resume, "go on with a run"), (evaluate, "measure a finished run")):
        other = commands.add_parser(call.__name__, parents=[common], help=text)
        other.add_argument("out", metavar="folder")
        other.set_defaults(call=call)
    drawn = commands.add_parser("sample", parents=[common], help="draw images from a finished generative run")
    drawn.add_argument("run", metavar="folder")
    drawn.add_argument("--out", required=True, help="picture file to write")
    drawn.add_argument("--rows", type=int, default=8)
    drawn.add_argument("--seed", type=int, default=0)
    drawn.set_defaults(call=sample)
    shared = commands.add_parser("shelf", parents=[common], help="train the encoders that notebooks share")
    shared.add_argument("--preset", default="quick", choices=list(ablations.PRESETS))
    names = list(ablations.VARIANTS)
    shared.add_argument("--variants", nargs="+", default=names, choices=names, metavar="NAME")
    shared.add_argument("--again", action="store_true", help="train those that exist, too")
    shared.set_defaults(call=fill)
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
