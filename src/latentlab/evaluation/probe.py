"""The linear probe: what can one linear layer read from a frozen representation?"""

from dataclasses import dataclass
from math import cos, pi

import torch
import torch.nn.functional as F
from torch import Tensor

from latentlab.evaluation.arrays import Array, as_features, as_labels, check_same_width
from latentlab.evaluation.intervals import Score, score


@dataclass(frozen=True)
class ProbeResult(Score):
    """A probe's test accuracy in [0, 1], 95 % Wilson interval, test predictions (m,), and accuracy on its training rows."""

    train_accuracy: float


@dataclass(frozen=True)
class _Task:
    train: Tensor  # (n, d), centred and scaled
    target: Tensor  # (n,) index into classes
    test: Tensor  # (m, d), moved and scaled as train was
    truth: Tensor  # (m,) labels
    classes: Tensor  # (c,) labels in ascending order


def _prepare(train_y: Array, train_labels: Array, test_y: Array, test_labels: Array, standardise: bool) -> _Task:
    train, test = as_features(train_y, "train_y"), as_features(test_y, "test_y")
    check_same_width(train, test, ("train_y", "test_y"))
    labels = as_labels(train_labels, len(train), "train_labels")
    truth = as_labels(test_labels, len(test), "test_labels")
    classes, target = labels.unique(return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"All training labels are {classes.item()}: a probe needs at least two classes.")
    unseen = truth[~torch.isin(truth, classes)].unique().tolist()
    if unseen:
        raise ValueError(
            f"Test classes {unseen} never occur in training, so they cannot be predicted. Draw training rows from every class."
        )
    # Centring only moves what the bias has to say. One common scale only fixes the unit of the learning rate.
    # Neither changes what a linear layer can read. Dividing each dimension by its own spread (standardise) changes what it
    # learns first.
    mean, sd = train.mean(0), train.std(0, correction=0)
    scale = sd if standardise else sd.square().mean().sqrt()
    # A dimension that never varies (a collapsed one) holds only rounding noise: it is left at that size, not blown up.
    floor = 1e-6 * mean.abs().clamp_min(1e-6)
    scale = torch.where(sd > floor, scale, torch.ones_like(sd)) if standardise else scale.clamp_min(floor.max())
    return _Task((train - mean).div_(scale), target, (test - mean).div_(scale), truth, classes)


def _result(task: _Task, weight: Tensor, bias: Tensor) -> ProbeResult:
    predictions = task.classes[torch.addmm(bias, task.test, weight).argmax(1)]
    train_accuracy = (torch.addmm(bias, task.train, weight).argmax(1) == task.target).float().mean().item()
    return ProbeResult(*score(predictions, task.truth), predictions, train_accuracy)


def linear_probe(
    train_y: Array,
    train_labels: Array,
    test_y: Array,
    test_labels: Array,
    *,
    epochs: int | None = 10,
    standardise: bool = False,
    batch: int = 256,
    lr: float = 0.01,
    weight_decay: float = 1e-5,
    seed: int = 0,
) -> ProbeResult:
    """One linear layer and softmax cross-entropy on frozen representations, trained in mini-batches; accuracy on the test rows.

    train_y (n, d), train_labels (n,), test_y (m, d), test_labels (m,): NumPy arrays or tensors; more axes are flattened.
    Why ten epochs are nearly enough, on raw features too: they are centred (else their mean, the steepest direction, limits the
    step) and divided by one common scale (so one `lr` serves all encoders); Adam adapts the step to each dimension's spread; the
    cosine ends with small steps that average the noise of the batches. On 25,000 CIFAR images and 512 dimensions the test
    accuracy is 0 to 2.5 points from the converged probe's; spreads as unequal as 1 : 30 cost about 3 points.
    With few rows it lies above the converged one: stopping early regularises.
    epochs=None: the converged probe, `linear_probe_converged`.
    Raises ValueError for NaN, unequal dimensions, empty input, no epoch, a single class, or test classes without training rows.
    """
    if epochs is None:
        return linear_probe_converged(train_y, train_labels, test_y, test_labels, standardise=standardise)
    if epochs < 1 or batch < 1:
        raise ValueError(f"epochs = {epochs}, batch = {batch}: both must be at least 1 (epochs=None: until converged).")
    task = _prepare(train_y, train_labels, test_y, test_labels, standardise)
    n, d = task.train.shape
    weight = torch.zeros(d, len(task.classes), requires_grad=True)
    bias = torch.zeros(len(task.classes), requires_grad=True)
    optimiser = torch.optim.Adam([weight, bias], lr=lr, weight_decay=weight_decay)
    generator = torch.Generator().manual_seed(seed)
    steps, step = epochs * -(-n // batch), 0
    for _ in range(epochs):
        for rows in torch.randperm(n, generator=generator).split(batch):
            # lr · ½(1 + cos πt/T): large steps first, then ever smaller ones average the noise of the batches away.
            optimiser.param_groups[0]["lr"] = 0.5 * lr * (1 + cos(pi * step / steps))
            # −(1/b) Σ log softmax(x W + β)[label]
            loss = F.cross_entropy(torch.addmm(bias, task.train[rows], weight), task.target[rows])  # (b, d) → (b, c) → ()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
    return _result(task, weight.detach(), bias.detach())


def linear_probe_converged(
    train_y: Array, train_labels: Array, test_y: Array, test_labels: Array, *, standardise: bool = True, l2: float = 1e-4
) -> ProbeResult:
    """Multinomial logistic regression with a small L2 penalty, all rows at once, until the gradient is gone: no epochs to choose.

    Arguments and errors as `linear_probe`; l2 · |W|²/2 is added to the mean cross-entropy, W in units of the common scale.
    Limited-memory BFGS in coordinates in which the problem is round: 25,000 × 512 features take 0.7 s on two cores, where
    scikit-learn's LogisticRegression is still short of the minimum after 400 iterations and 25 s.
    """
    if not l2 > 0:
        raise ValueError(f"l2 = {l2}: expected a small positive number; without it separable classes have no finite solution.")
    task = _prepare(train_y, train_labels, test_y, test_labels, standardise)
    n, d = task.train.shape
    # ½ XᵀX/n + l2·I bounds the Hessian (Böhning 1992). In v = Lᵀ W, where L Lᵀ is that bound, the problem is round.
    bound = 0.5 * task.train.T @ task.train / n + l2 * torch.eye(d)  # (d, d)
    factor = torch.linalg.cholesky(bound.double()).float()  # (d, d) lower triangle
    v = torch.zeros(d, len(task.classes), requires_grad=True)
    bias = torch.zeros(len(task.classes), requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [v, bias], max_iter=500, tolerance_grad=1e-5, tolerance_change=1e-9, line_search_fn="strong_wolfe"
    )

    def layer() -> Tensor:
        return torch.linalg.solve_triangular(factor.T, v, upper=True)  # W = L⁻ᵀ v  (d, c)

    def closure() -> Tensor:
        optimiser.zero_grad()
        weight = layer()
        # −(1/n) Σ log softmax(x W + β)[label] + ½ l2 |W|²
        loss = F.cross_entropy(torch.addmm(bias, task.train, weight), task.target) + 0.5 * l2 * weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return _result(task, layer().detach(), bias.detach())
