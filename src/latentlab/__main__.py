"""Long runs from the command line: `python -m latentlab train vicreg …`, `resume`, `evaluate`."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

from latentlab.data import load
from latentlab.recipes import ablations, runs, shelf
from latentlab.training import CheckpointError, TrainingDiverged, checksum, processes


def train(given: argparse.Namespace) -> None:
    """Start a run: the preset's settings with what the command line changes."""
    presets = runs.recipe(given.recipe).PRESETS
    if given.preset not in presets:
        raise ValueError(f"Recipe {given.recipe} has no preset {given.preset!r}; it has {', '.join(presets)}.")
    settings = presets[given.preset]
    settings = replace(settings, **{name: getattr(given, name) for name in ("data", "views") if getattr(given, name)})
    budget = settings.budget
    if given.minutes or given.epochs:
        budget = replace(budget, minutes=given.minutes, epochs=given.epochs)
    budget = replace(budget, **{name: getattr(given, name) for name in ("batch", "precision") if getattr(given, name)})
    settings = replace(settings, budget=budget)
    runs.begin(given.out, given.recipe, settings, given.seed)
    run_recipe(given, resume=False)


def resume(given: argparse.Namespace) -> None:
    """Take a run up where its checkpoint stands; a run without one starts at its beginning."""
    run_recipe(given, resume=(Path(given.out) / "checkpoint.pt").exists())


def run_recipe(given: argparse.Namespace, resume: bool) -> None:
    recipe, settings, seed = runs.read(given.out)
    data = {split: load(settings.data, split, download=given.download) for split in ("train", "test")}
    run = recipe.pretrain(settings, **data, seed=seed, device=given.device, folder=given.out, resume=resume)
    digest = runs.finish(given.out, run)
    if processes.rank() == 0:
        print(f"{given.out}: {run.history.steps} steps in {run.history.seconds / 60:.1f} minutes, weights {digest[:16]}")


def evaluate(given: argparse.Namespace) -> None:
    """Print every accuracy of a finished run beside raw pixels and an untrained encoder, and keep it as scores.json."""
    recipe, settings, seed = runs.read(given.out)
    train, test = (load(settings.data, split, download=given.download) for split in ("train", "test"))
    channels = train.images.shape[1]
    encoders = {"untrained": recipe.untrained(settings, channels, seed), "trained": runs.encoder_of(given.out, channels)}
    print(f"{train.name}: {len(train)} training images, {len(test)} test images; weights {checksum(encoders['trained'])[:16]}")
    table = runs.score_table({name: encoder.to(given.device) for name, encoder in encoders.items()}, train, test)
    for name, scores in table.items():
        print(f"{name:>12}  " + "  ".join(f"{kind} {100 * s.accuracy:.2f} %" for kind, s in scores.items()))
    plain = {name: {kind: s.accuracy for kind, s in scores.items()} for name, scores in table.items()}
    runs.write_json(Path(given.out) / "scores.json", plain)


def fill(given: argparse.Namespace) -> None:
    """Train the encoders that notebooks share."""
    shelf.fill(given.preset, given.variants, again=given.again, device=given.device)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m latentlab", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="command")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    common.add_argument("--download", action="store_true", help="fetch MNIST or CIFAR-10 if it is not there")
    one = commands.add_parser("train", parents=[common], help="start a run")
    one.add_argument("recipe", choices=list(runs.RECIPES))
    one.add_argument("--preset", default="quick", help="settings to start from: quick, cpu or gpu")
    one.add_argument("--data", help="a data set's name, or a folder of images with one folder per class")
    one.add_argument("--views", help="a preset of augment.PRESETS")
    one.add_argument("--minutes", type=float, help="training time; the schedule follows it")
    one.add_argument("--epochs", type=float, help="passes over the data, instead of minutes")
    one.add_argument("--batch", type=int)
    one.add_argument("--precision", choices=["auto", "float32", "bfloat16"])
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--out", required=True, help="folder of the run")
    one.set_defaults(call=train)
    for call, text in ((resume, "go on with a run"), (evaluate, "accuracies of a finished run")):
        other = commands.add_parser(call.__name__, parents=[common], help=text)
        other.add_argument("out", metavar="folder")
        other.set_defaults(call=call)
    shared = commands.add_parser("shelf", parents=[common], help="train the encoders that notebooks 02 and 03 share")
    shared.add_argument("--preset", default="quick", choices=list(ablations.PRESETS))
    names = list(ablations.VARIANTS)
    shared.add_argument("--variants", nargs="+", default=names, choices=names, metavar="NAME")
    shared.add_argument("--again", action="store_true", help="train those that exist, too")
    shared.set_defaults(call=fill)
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
