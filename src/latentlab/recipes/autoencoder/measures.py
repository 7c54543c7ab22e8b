"""What one trained autoencoder is like, in numbers: the rows of notebook 04's tables, one dictionary per model and seed."""

from dataclasses import asdict
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from latentlab.data import Dataset, to_float
from latentlab.evaluation import knn_accuracy, measure_correlation
from latentlab.evaluation.correlation import structure_error
from latentlab.evaluation.learning import fluctuation, running_mean, steps_to_own_floor
from latentlab.evaluation.reconstruction import explained_components, principal_axes

from .sweep import Run, codes, idempotence, reconstruct
from .transfer import recognise

FEW = 2000  # images for what is measured beside the error


def learning(run: Run, points: int = 60) -> dict[str, object]:
    """How it learned: errors per epoch, a thinned training curve, speed and unrest. All errors per pixel."""
    losses = run.history.batches["loss"]
    last_epoch = losses[-round(run.history.steps / run.history.epochs["epoch"][-1]) :]
    absolute, relative = fluctuation(last_epoch)
    tests = run.history.epochs["loss"]
    at = np.unique(np.linspace(0, len(losses) - 1, points).round().astype(int))  # (points,)
    return {
        "test": run.test_error,
        "train": run.train_epochs[-1],
        "test epochs": tests,
        "train epochs": run.train_epochs,
        "curve": {"step": (at + 1).tolist(), "loss": running_mean(losses)[at].tolist()},
        "steps to own floor": steps_to_own_floor(losses),
        "fluctuation": absolute,
        "relative fluctuation": relative,
        "test jumps": float(np.abs(np.diff(tests)).mean()) if len(tests) > 1 else 0.0,
        "parameters": sum(p.numel() for p in run.network.parameters()),
        "seconds": run.history.seconds,
    }


def fidelity(run: Run, train: Dataset, test: Dataset, judge: nn.Module) -> dict[str, float]:
    """What its reconstructions keep: all on the same few images.

    Errors on training and test images, idempotence, share "recognised" by the judge, principal "components" of the images that
    come through, "pixel correlation" error, accuracy of 10 "neighbours" among the codes.
    """
    few_test, few_train, images, axes = _few(train, test)
    back = reconstruct(run, images)
    said = recognise(judge, back).argmax(1)
    first, second = codes(run, few_train.images), codes(run, few_test.images)
    return {
        "error on training images": float((reconstruct(run, few_train.images) - to_float(few_train.images)).square().mean()),
        "error on test images": float((back - images).square().mean()),
        "idempotence": idempotence(run, few_test.images),
        "recognised": float((said == few_test.labels).float().mean()),
        "components": explained_components(back, images, axes=axes),
        "pixel correlation": structure_error(back, images),
        "neighbours": knn_accuracy(first, few_train.labels, second, few_test.labels, k=10, metric="euclidean"),
    }


@lru_cache(maxsize=1)
def _few(train: Dataset, test: Dataset) -> tuple:
    """The images of `fidelity` and their principal axes, once for all models."""
    few_test, few_train = test.first(min(FEW, len(test))), train.first(min(5 * FEW, len(train)))
    images = to_float(few_test.images)
    return few_test, few_train, images, principal_axes(images)


def code_correlation(run: Run, images: Tensor) -> dict[str, float]:
    """Measures of the Pearson matrix of its codes of uint8 images (n, c, h, w). An infinite log-determinant becomes None."""
    return measured_correlation(codes(run, images))


def measured_correlation(y: Tensor) -> dict[str, float]:
    """The same of any representation y (n, d)."""
    measures = asdict(measure_correlation(y))
    measures["log_determinant"] = measures["log_determinant"] if np.isfinite(measures["log_determinant"]) else None
    return measures


def jacobian_rank(run: Run, image: Tensor, tolerance: float = 1e-5) -> int:
    """Rank of the derivative of the reconstruction at one uint8 image (c, h, w): in how many directions the output can move."""
    x = to_float(image[None])
    matrix = torch.autograd.functional.jacobian(lambda v: run.network(v).flatten(), x).flatten(1)  # (p, p)
    values = torch.linalg.svdvals(matrix.double())
    return int((values > tolerance * values[0]).sum())
