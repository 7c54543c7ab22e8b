"""The linear probe: what can one linear layer read from a frozen representation?"""

from math import cos, pi

import torch
import torch.nn.functional as F
from torch import Tensor

from .arrays import Array, as_labels, as_pair
from .intervals import Score, score

EPOCHS, BATCH, RATE, DECAY = 10, 256, 0.01, 1e-5  # of the ten-epoch probe
L2 = 1e-4  # of the converged one: without it separable classes have no finite solution


def _prepare(train_y: Array, train_labels: Array, test_y: Array, test_labels: Array, standardise: bool) -> tuple:
    """Training rows (n, d), centred and scaled, their index into classes (n,); test rows (m, d), moved and scaled by
    the same, their labels (m,); the classes (c,): labels in ascending order.
    """
    train, test = as_pair(train_y, test_y, ("train_y", "test_y"))
    labels = as_labels(train_labels, len(train), "train_labels")
    truth = as_labels(test_labels, len(test), "test_labels")
    classes, target = labels.unique(return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"All training labels are {classes.item()}: a probe needs at least two classes.")
    unseen = truth[~torch.isin(truth, classes)].unique().tolist()
    if unseen:
        raise ValueError(f"Test classes {unseen} never occur in training, so they cannot be predicted.")
    # Centring only moves what the bias has to say. One common scale only fixes the unit of the learning rate. Neither
    # changes what a linear layer can read. Dividing each dimension by its own spread changes what it learns first.
    mean, sd = train.mean(0), train.std(0, correction=0)
    # A dimension that never varies (a collapsed one) holds only rounding noise: it stays at that size, not blown up.
    floor = 1e-6 * mean.abs().clamp_min(1e-6)
    if standardise:
        scale = torch.where(sd > floor, sd, torch.ones_like(sd))
    else:
        scale = sd.square().mean().sqrt().clamp_min(floor.max())
    return (train - mean).div_(scale), target, (test - mean).div_(scale), truth, classes


def linear_probe(
    train_y: Array, train_labels: Array, test_y: Array, test_labels: Array, *, standardise: bool = False
) -> Score:
    """One linear layer and softmax cross-entropy on frozen representations, ten epochs; accuracy on the test rows.

    train_y (n, d), train_labels (n,), test_y (m, d), test_labels (m,); more axes are flattened.
    Ten epochs are nearly enough, on raw features too: they are centred (else their mean, the steepest direction, limits
    the step) and divided by one common scale (so one rate serves all encoders); Adam adapts the step to each spread. On
    25,000 CIFAR images and 512 dimensions the accuracy is 0 to 2.5 points from the converged probe's; spreads of 1 : 30
    cost about 3. With few rows it lies above the converged one: stopping early regularises.
    Raises ValueError for NaN, unequal dimensions, empty input, a single class, or test classes without training rows.
    """
    x, target, x_test, truth, classes = _prepare(train_y, train_labels, test_y, test_labels, standardise)
    n, d = x.shape
    weight = torch.zeros(d, len(classes), requires_grad=True)
    bias = torch.zeros(len(classes), requires_grad=True)
    optimiser = torch.optim.Adam([weight, bias], lr=RATE, weight_decay=DECAY)
    generator = torch.Generator().manual_seed(0)
    steps, step = EPOCHS * -(-n // BATCH), 0
    for _ in range(EPOCHS):
        for rows in torch.randperm(n, generator=generator).split(BATCH):
            # rate · ½(1 + cos πt/T): large steps first, then ever smaller ones average the noise of the batches away.
            optimiser.param_groups[0]["lr"] = 0.5 * RATE * (1 + cos(pi * step / steps))
            # −(1/b) Σ log softmax(x W + β)[label]
            loss = F.cross_entropy(torch.addmm(bias, x[rows], weight), target[rows])  # (b, d) → (b, c) → ()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
    return score(classes[torch.addmm(bias, x_test, weight).argmax(1)], truth)


def linear_probe_converged(train_y: Array, train_labels: Array, test_y: Array, test_labels: Array) -> Score:
    """Multinomial logistic regression on standardised features, all rows at once, until the gradient is gone.

    Arguments and errors as `linear_probe`; l2 · |W|²/2 is added to the mean cross-entropy.
    Limited-memory BFGS in coordinates in which the problem is round: 25,000 × 512 features take 0.7 s on two cores;
    scikit-learn's LogisticRegression is short of the minimum after 400 iterations and 25 s.
    """
    x, target, x_test, truth, classes = _prepare(train_y, train_labels, test_y, test_labels, standardise=True)
    n, d = x.shape
    # ½ XᵀX/n + l2·I bounds the Hessian (Böhning 1992). In v = Lᵀ W, where L Lᵀ is that bound, the problem is round.
    bound = 0.5 * x.T @ x / n + L2 * torch.eye(d)  # (d, d)
    factor = torch.linalg.cholesky(bound.double()).float()  # (d, d) lower triangle
    v = torch.zeros(d, len(classes), requires_grad=True)
    bias = torch.zeros(len(classes), requires_grad=True)
    stop = {"max_iter": 500, "tolerance_grad": 1e-5, "tolerance_change": 1e-9}
    optimiser = torch.optim.LBFGS([v, bias], **stop, history_size=20, line_search_fn="strong_wolfe")

    def layer() -> Tensor:
        return torch.linalg.solve_triangular(factor.T, v, upper=True)  # W = L⁻ᵀ v  (d, c)

    def closure() -> Tensor:
        optimiser.zero_grad()
        weight = layer()
        # −(1/n) Σ log softmax(x W + β)[label] + ½ l2 |W|²
        loss = F.cross_entropy(torch.addmm(bias, x, weight), target) + 0.5 * L2 * weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return score(classes[torch.addmm(bias, x_test, layer()).argmax(1)], truth)
