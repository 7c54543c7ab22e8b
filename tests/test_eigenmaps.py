"""Laplacian eigenmaps against a dense decomposition and scikit-learn; their graph, their error messages."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.manifold import spectral_embedding

from latentlab.data import load
from latentlab.evaluation.laplacian import connecting_neighbours, eigenmaps, neighbour_graph
from latentlab.recipes.vicreg.eigenmaps import random_features, split


def smoothness(features, codes, neighbours):
    """Eigenvalues μ = 1 − λ of the walk on the graph, one a coordinate, as Rayleigh quotients of the codes; (dim,)."""
    graph = neighbour_graph(features, neighbours)
    y = codes.double().numpy() if torch.is_tensor(codes) else codes  # (n, dim)
    degrees = np.asarray(graph.sum(axis=1)).reshape(-1, 1)  # (n, 1)
    return torch.from_numpy(((graph @ y) * y).sum(axis=0) / (degrees * y**2).sum(axis=0)).float()


def cloud(n=60, d=5, seed=0, scale=1.0):
    return scale * torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def circle(n, offset=0.0):
    angle = 2 * torch.pi * (torch.arange(n) + offset) / n
    return torch.stack([angle.cos(), angle.sin()], dim=1)  # (n, 2)


@pytest.mark.parametrize(("n", "k", "dim"), [(60, 6, 4), (40, 10, 20)])
def test_codes_are_the_smooth_eigenvectors_of_the_normalised_laplacian(n, k, dim):
    x = cloud(n).double().numpy()
    distances = ((x[:, None] - x[None]) ** 2).sum(-1)
    np.fill_diagonal(distances, np.inf)
    w = np.zeros((n, n))
    for i in range(n):
        w[i, np.argsort(distances[i])[:k]] = 1
    w = np.maximum(w, w.T)
    root = np.sqrt(w.sum(1))
    values, vectors = np.linalg.eigh(np.eye(n) - w / root[:, None] / root[None])  # rising, the first is 0
    codes = eigenmaps(x, dim, k).double().numpy()
    expected = vectors[:, 1 : dim + 1] / root[:, None]
    for got, want in zip(codes.T, expected.T, strict=True):
        assert abs(got @ want) / np.linalg.norm(got) / np.linalg.norm(want) == pytest.approx(1, abs=1e-6)
    assert np.allclose(smoothness(x, codes, k), 1 - values[1 : dim + 1], atol=1e-5)
    gram = codes.T @ (root[:, None] ** 2 * codes) / (root**2).sum()
    assert np.allclose(gram, np.eye(dim), atol=1e-5)  # degree-weighted covariance is the identity
    assert np.allclose((root[:, None] ** 2 * codes).sum(0), 0, atol=1e-3)


def test_codes_equal_scikit_learns_spectral_embedding_up_to_one_scale():
    x = cloud(120)
    reference = spectral_embedding(neighbour_graph(x, 8), n_components=6, eigen_solver="arpack", random_state=0)
    codes = eigenmaps(x, 6, 8).double().numpy()
    ratio = np.abs(codes) / np.abs(reference)
    assert ratio.min() == pytest.approx(ratio.max(), rel=1e-3)


def test_a_circle_is_unrolled_into_its_harmonics():
    """The smooth functions on a ring of n nodes are cos and sin of one turn, with eigenvalue cos 2π/n."""
    n = 48
    codes = eigenmaps(circle(n), 2, 2)
    assert torch.allclose(codes.square().sum(1), torch.tensor(2.0), atol=1e-4)
    assert torch.allclose(smoothness(circle(n), codes, 2), torch.full((2,), np.cos(2 * np.pi / n)), atol=1e-5)


def test_the_seed_decides_no_more_than_rounding_and_signs_are_fixed():
    first, second = eigenmaps(cloud(), 5, 6, seed=0), eigenmaps(cloud(), 5, 6, seed=1)
    assert torch.allclose(first, second, atol=1e-4)
    assert torch.equal(first, eigenmaps(cloud(), 5, 6, seed=0))
    assert (first.gather(0, first.abs().argmax(0, keepdim=True)) > 0).all()


def test_the_graph_joins_whoever_chose_the_other():
    x = torch.tensor([[0.0], [1.0], [2.5], [10.0]])
    graph = neighbour_graph(x, 1).toarray()
    assert graph.tolist() == [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]]


def test_a_graph_in_pieces_is_refused_and_the_advice_works():
    x = torch.cat([cloud(20, 2), cloud(20, 2, seed=1) + 100])
    with pytest.raises(ValueError, match="2 pieces .of 20, 20 images.*here 20"):
        eigenmaps(x, 3, 5)
    assert connecting_neighbours(x, 5) == 20  # each piece has 19 others
    assert eigenmaps(x, 3, 20).shape == (40, 3)
    with pytest.raises(ValueError, match="Even 12"):
        connecting_neighbours(x, 5, most=12)


def test_random_features_are_linear_in_the_picture_and_1024_for_32_by_32():
    a = load("shapes10", "train", n=8).images // 2
    b = load("shapes10", "test", n=8).images // 2
    f = {name: random_features(x) for name, x in {"a": a, "b": b, "sum": a + b, "0": torch.zeros_like(a)}.items()}
    assert f["a"].shape == (8, 1024)
    assert torch.allclose(f["sum"] - f["0"], f["a"] + f["b"] - 2 * f["0"], atol=1e-4)
    assert torch.allclose(f["a"][:3], random_features(a[:3]), atol=1e-5)
    assert not torch.allclose(f["a"], random_features(a, seed=1), atol=0.1)
    assert random_features(load("digits", "train", n=3).images).shape == (3, 784)


def test_splits_are_stratified_and_disjoint():
    labels = torch.arange(200) % 10
    train, test = split(labels)
    assert len(test) == 20 and labels[test].bincount().tolist() == [2] * 10
    assert sorted(torch.cat([train, test]).tolist()) == list(range(200))
    with pytest.raises(ValueError, match="between 0 and 1"):
        split(labels, 1.5)


BAD = cloud().index_fill(0, torch.tensor([3]), float("nan"))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: eigenmaps(BAD, 3, 5), "NaN or infinity in 1 of 60"),
        (lambda: eigenmaps(cloud(), 59, 5), "at most n − 2 = 58"),
        (lambda: eigenmaps(cloud(), 3, 60), "choose 1 ≤ neighbours < 60"),
    ],
)
def test_mistakes_are_explained(call, said):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=said):
            call()
