"""Laplacian eigenmaps (Belkin and Niyogi 2003): codes from a graph of neighbours, without training."""

import numpy as np
import torch
from scipy.sparse import csr_matrix, diags
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh
from torch import Tensor

from .arrays import Array, as_features
from .neighbours import neighbours as nearest


def neighbour_graph(features: Array, neighbours: int) -> csr_matrix:
    """Who is a neighbour of whom: features (n, d) → sparse symmetric (n, n) of zeros and ones, the diagonal empty.

    Two are joined if one is among the `neighbours` nearest of the other in L2. ValueError for NaN or neighbours ≥ n.
    """
    x = as_features(features)
    n = len(x)
    if not 1 <= neighbours < n:
        raise ValueError(f"{neighbours} neighbours asked for among {n} images; choose 1 ≤ neighbours < {n}.")
    columns = nearest(x, x, neighbours, metric="euclidean", exclude_self=True)[1].flatten().numpy()  # (n·k,)
    directed = csr_matrix((np.ones(len(columns)), columns, np.arange(0, len(columns) + 1, neighbours)), shape=(n, n))
    # W_ij = max(A_ij, A_ji)
    return directed.maximum(directed.T).tocsr()  # (n, n)


def connecting_neighbours(features: Array, start: int, most: int = 100) -> int:
    """The smallest number of neighbours ≥ start whose graph is in one piece; ValueError if `most` are not enough."""
    most = min(most, len(features) - 1)
    for k in range(start, most + 1):
        if connected_components(neighbour_graph(features, k), directed=False)[0] == 1:
            return k
    raise ValueError(f"Even {most} neighbours leave the graph in pieces. Embed each by itself, or leave outliers out.")


def eigenmaps(features: Array, dim: int, neighbours: int, *, seed: int = 0) -> Tensor:
    """Codes in which neighbours lie close: features (n, d) → float32 (n, dim), slowest coordinate first.

    The codes minimise ½ Σ_ij W_ij ‖y_i − y_j‖² over codes with degree-weighted mean 0 and covariance the identity: of
    one table of codes, with no function from image to code. Same vectors as scikit-learn's
    `spectral_embedding(..., eigen_solver="arpack")`, which factorises I·10⁻⁵ + L: 64 s for 10,000 images; here 3 s.
    ARPACK starts from a vector drawn by the seed; it decides no more than rounding.
    Raises ValueError for NaN, neighbours ≥ n, dim ≥ n − 1, or a graph in pieces (the message says what joins them).
    """
    x = as_features(features)
    n = len(x)
    if not 1 <= dim < n - 1:
        raise ValueError(f"{dim} dimensions asked for from {n} images; a graph of n offers at most n − 2 = {n - 2}.")
    graph = neighbour_graph(x, neighbours)
    pieces, member = connected_components(graph, directed=False)
    if pieces > 1:
        sizes = ", ".join(f"{size:,}" for size in sorted(np.bincount(member), reverse=True)[:4])
        joins = connecting_neighbours(x, neighbours + 1)
        raise ValueError(f"The graph is in {pieces} pieces (of {sizes} images): take more neighbours, here {joins}.")
    degrees = np.asarray(graph.sum(axis=1)).ravel()  # (n,)
    # S = D^(−1/2) W D^(−1/2) = I − L: the largest eigenvalues of S are the smallest of the normalised Laplacian L
    similarity = diags(degrees**-0.5) @ graph @ diags(degrees**-0.5)  # (n, n)
    start = np.random.default_rng(seed).uniform(-1, 1, n)
    values, vectors = eigsh(similarity, k=dim + 1, which="LA", v0=start)  # (dim + 1,), (n, dim + 1)
    vectors = vectors[:, np.argsort(-values)[1:]]  # (n, dim), without the constant one
    # y = D^(−1/2) v √(Σ_i D_ii), so that every coordinate has the spread 1 when images count by their degree
    codes = vectors * (degrees.sum() / degrees)[:, None] ** 0.5  # (n, dim)
    # An eigenvector may be turned around: its largest entry is positive here.
    codes *= np.sign(codes[np.abs(codes).argmax(axis=0), np.arange(dim)])
    return torch.from_numpy(codes).float()
