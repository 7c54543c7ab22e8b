"""Trainings that are killed (kill −9), in processes that come from one server which has imported torch once."""

import multiprocessing
import random
import time
from collections.abc import Callable
from pathlib import Path

import torch

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["latentlab.recipes.vicreg.pretraining"])


def _alone(train: Callable[[Path], object], folder: Path) -> None:
    torch.set_num_threads(1)
    train(folder)


def kill(train: Callable[[Path], object], folder: Path, chance: random.Random) -> None:
    """Run `train(folder)` in a process and kill it up to 0.3 s after it has written a checkpoint of its own."""
    path = folder / "checkpoint.pt"
    written = path.stat().st_mtime_ns if path.exists() else None
    child, begun = PROCESSES.Process(target=_alone, args=(train, folder)), time.perf_counter()
    child.start()
    while not (path.exists() and path.stat().st_mtime_ns != written):
        assert child.is_alive() and time.perf_counter() - begun < 60
        time.sleep(0.001)
    time.sleep(chance.uniform(0.0, 0.3))
    assert child.is_alive(), "the run ended before it could be killed; give it more epochs"
    child.kill()
    child.join()
