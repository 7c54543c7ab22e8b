"""Notebook 01: its conditions come out either way in made-up worlds; its maps and measures have a known answer."""

import pytest
import torch
from sklearn.manifold import smacof

from latentlab.data import load
from latentlab.evaluation import Unresolved, knn_leave_one_out
from latentlab.recipes.vicreg import lesson

LOW, HIGH, WIDE = [0.30, 0.32, 0.31], [0.80, 0.82, 0.81], [0.2, 0.9, 0.6]


def letters(conditions):
    """All answers in order: t(rue), f(alse), ?"""
    return "".join("?" if isinstance(c, Unresolved) else "ft"[bool(c)] for c in conditions.values())


def maps(**other):
    return dict(noise=0.1, untrained=0.1, deep=0.9) | {"raw pixels": 0.1} | other


def rank(by_class, around, outliers):
    return {"clustered by class": by_class, "clustered around anything": around, "how far outliers lie": outliers}


CIFAR, TURNED = {"t-SNE": 0.5, "PCA": 0.3}, {"t-SNE": 0.3, "PCA": 0.9}


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (lesson.clearer(HIGH, LOW, CIFAR), "tt"), (lesson.clearer(LOW, HIGH, TURNED), "ff"),
        (lesson.clearer(WIDE, HIGH, CIFAR), "?t"), (lesson.clearer(HIGH, LOW, {"t-SNE": 0.5, "PCA": 0.46}), "tf"),
        (lesson.reason(LOW, LOW, HIGH), "tt"), (lesson.reason(HIGH, HIGH, LOW), "ff"),
        (lesson.reason(HIGH, LOW, HIGH), "t?"),
        (lesson.grouping(maps(), {"deep": 0.95}), "tttt"), (lesson.grouping(maps(noise=0.9), {"deep": 0.5}), "tfft"),
        (lesson.grouping(maps(deep=0.2, untrained=0.9), {"deep": 0.95}), "fttf"),
        (lesson.grouping(maps(**{"raw pixels": 0.9, "quick": 0.85}), {"deep": 0.95, "quick": 0.5}), "tftf"),
        (lesson.informative({"t-SNE": HIGH, "PCA": LOW}, {"t-SNE": LOW, "PCA": HIGH}), "tt"),
        (lesson.informative({"t-SNE": LOW, "PCA": HIGH}, {"t-SNE": HIGH, "PCA": LOW}), "ff"),
        (lesson.mixing(CIFAR, LOW), "ttt"), (lesson.mixing({"t-SNE": 0.9}, [0.9, 0.91, 0.92]), "ff"),
        (lesson.inseparable(0.7, LOW), "tt"), (lesson.inseparable(0.95, [0.95, 0.97, 0.96]), "ff"),
        (lesson.colour({"quick": LOW, "deep": HIGH}, LOW, HIGH), "ttt"),
        (lesson.colour({"quick": [1.0, 1.01, 0.99], "deep": LOW}, HIGH, LOW), "fff"),
        (lesson.indicators({"ngn": HIGH, "poor": [0.05, 0.06, 0.04]}, rank(0.9, -0.9, 0.1)), "tftf"),
        (lesson.indicators({"ngn": LOW[:2] + [0.2]}, rank(0.6, 0.8, -0.7)), "?ft"),
        (lesson.indicators({"ngn": [0.05, 0.06, 0.04]}, rank(0.9, 0.9, 0.0)), "ftt"),
    ],
)  # fmt: skip
def test_conditions_can_hold_fail_and_be_hidden(conditions, expected):
    assert letters(conditions) == expected


def world(n=300):
    """Two classes along one quiet direction, colour along a loud one; (n, 20), labels, colours (n, 1)."""
    g = torch.Generator().manual_seed(0)
    labels, y = torch.arange(n) % 2, torch.randn(n, 20, generator=g) * 0.1
    y[:, 0] += labels * 2.0 - 1
    y[:, 1] *= 100
    return y, labels, y[:, 1:2].clone()


def test_the_local_linear_map_is_linear_and_finds_the_quiet_direction():
    y, labels, _ = world()
    points = lesson.local_linear_map(y)
    assert points.shape == (300, 2) and knn_leave_one_out(points, labels).accuracy > 0.95
    fitted = y @ torch.linalg.lstsq(y - y.mean(0), points - points.mean(0)).solution
    assert torch.allclose(fitted - fitted.mean(0), points - points.mean(0), atol=1e-3)


def test_wrong_neighbours_share_what_the_representation_keeps():
    y, labels, colours = world()
    assert lesson.shared_with_wrong(y[:, 1:], labels, colours) < 0.1, "neighbours in y agree in colour"
    assert lesson.shared_with_wrong(y[:, 2:], labels, colours) > 0.8, "a y without colour shares none"


def test_only_neighbours_of_another_class_count():
    y = torch.arange(40.0)[:, None]  # on a line, the classes in blocks: the strangers are those across a border
    labels, attribute = (torch.arange(40) >= 20).long(), torch.zeros(40, 1)
    attribute[20:] = 5.0
    assert lesson.shared_with_wrong(y, labels, attribute) == pytest.approx(5 / torch.pdist(attribute).mean().item())


def test_the_map_of_all_distances_keeps_them_as_well_as_it_can():
    y = torch.nn.functional.normalize(torch.randn(60, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    ours, start = lesson.all_distances_map(y), lesson.pca_map(y)
    mine, first = (float((torch.pdist(torch.as_tensor(p)) - torch.pdist(y)).square().sum()) for p in (ours, start))
    _, best = smacof(torch.cdist(y, y).double().numpy(), init=start, n_init=1, max_iter=1000, normalized_stress=False)
    assert mine < 0.8 * first and mine < 1.05 * best


@pytest.mark.parametrize("variance", [True, False])
def test_the_committed_deep_encoders_belong_to_the_present_settings(variance, capsys):
    assert not lesson.trained(0, train=load("shapes10", "train"), variance=variance).training
    assert capsys.readouterr().out == ""


def test_the_outlying_are_the_far_ones():
    y, *_ = world()
    y[7] += 100
    assert lesson.outlying(y)[7] and lesson.outlying(y).sum() == 15


def test_the_mean_over_views_cancels_what_the_views_change():
    class Colour(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward(self, x):
            return x.mean((2, 3))

    views = lesson.vicreg.VIEWS["shapes"]
    images = torch.arange(3072).remainder(251).to(torch.uint8).view(1, 3, 32, 32).repeat(200, 1, 1, 1)
    g = torch.Generator().manual_seed(1)
    one, many = (lesson.mean_over_views(Colour(), images, views, k, g) for k in (1, 25))
    assert (many.std(0) < 0.3 * one.std(0)).all() and torch.allclose(many.mean(0), one.mean(0), atol=0.05)
