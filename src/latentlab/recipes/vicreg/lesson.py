"""Notebook 01: a net to train while you wait, its deeper sister trained off-line, what is measured on their maps."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from scipy.linalg import eigh
from sklearn.manifold import smacof
from torch import Tensor, nn

from latentlab.augment import Views
from latentlab.data import Dataset
from latentlab.evaluation import ahead, neighbours, pca_map
from latentlab.evaluation.bars import bar
from latentlab.evaluation.conditions import Truth, shared, under
from latentlab.evaluation.laplacian import neighbour_graph
from latentlab.losses import VICRegWeights
from latentlab.training import Budget

from ..kept import once, path_of
from . import pretraining as vicreg

Settings = vicreg.Settings
_quick = Budget(epochs=4, batch=128, learning_rate=1e-3)  # trained on the page
PRESETS = vicreg.PRESETS | {"quick": Settings(widths=(16, 48, 64, 96), projector=(256, 256, 256), budget=_quick)}
# the deeper sister: always of the drawn shapes, trained once, kept in data/checkpoints/quick
_long = Budget(epochs=12, batch=128, optimiser="muon", learning_rate=0.02)
LONG = Settings(widths=(32, 64, 128, 192, 256), keep=1, budget=_long)


def trained(seed: int, *, train: Dataset, variance: bool = True) -> nn.Module:
    """The encoder of `LONG`, with or without the variance term, in evaluation mode; see `kept.fetch`."""
    chosen = LONG if variance else replace(LONG, weights=VICRegWeights(variance=0.0))
    path = path_of("lesson" if variance else "lesson-no-variance", seed, "quick")
    encoder = vicreg.build(chosen, train.images.shape[1:], seed).encoder
    return once(path, encoder, chosen, train, lambda: vicreg.run(chosen, train=train, seed=seed).encoder)


@torch.no_grad()
def mean_over_views(encoder: nn.Module, images: Tensor, views: Views, count: int, generator: torch.Generator) -> Tensor:
    """y of images (n, c, h, w), averaged over `count` random views: what the views change cancels; → (n, dim)."""
    encoder.eval()
    device = next(encoder.parameters()).device
    rows = [sum(encoder(views(part.to(device), generator)) for _ in range(count)) / count for part in images.split(500)]
    return torch.cat(rows).float().cpu()  # (n, dim)


def local_linear_map(y: Tensor) -> Tensor:
    """The linear map to the plane that keeps ten neighbours together (locality preserving); (n, d) → (n, 2)."""
    rows = (y - y.mean(0)).double()  # (n, d)
    graph = torch.from_numpy(neighbour_graph(y, 10).toarray())  # (n, n) of zeros and ones
    degree = graph.sum(1)  # (n,)
    right = rows.T @ (degree[:, None] * rows)  # (d, d)
    right = right + 1e-4 * right.trace() / len(right) * torch.eye(len(right))
    left = rows.T @ (degree[:, None] * rows - graph @ rows)  # (d, d)
    # the smallest λ of Yᵀ L Y a = λ Yᵀ D Y a, L = D − graph (He and Niyogi, 2003)
    return (rows @ torch.from_numpy(eigh(left.numpy(), right.numpy(), subset_by_index=(0, 1))[1])).float()


def all_distances_map(y: Tensor) -> Tensor:
    """The non-linear map to the plane that keeps all distances as well as it can, from PCA's; (n, d) → (n, 2)."""
    apart = torch.cdist(y, y).double().numpy()  # (n, n)
    return torch.from_numpy(smacof(apart, init=pca_map(y), n_init=1, max_iter=100, normalized_stress=False)[0]).float()


def shared_with_wrong(y: Tensor, labels: Tensor, attribute: Tensor) -> float:
    """Distance in an attribute (n, a) to neighbours in y of another class, as a share of a stranger's: 1 is chance."""
    near = neighbours(y, y, 10, metric="euclidean", exclude_self=True)[1]  # (n, k)
    wrong = labels[near] != labels[:, None]  # (n, k)
    to_near = (attribute[near] - attribute[:, None]).norm(dim=2)[wrong].mean()
    return float(to_near / torch.pdist(attribute.float()).mean())


def outlying(y: Tensor) -> Tensor:
    """The most outlying twentieth of the rows of y (n, d), by mean distance to ten neighbours; → (n,) bool."""
    distance = neighbours(y, y, 10, metric="euclidean", exclude_self=True)[0].mean(1)  # (n,)
    return distance > distance.quantile(0.95)


# The conditions of V-Q2: functions of shares in [0, 1], one value a seed where a list is wanted. Two lists are compared
# beyond the noise of the seeds (`ahead`); with one seed "better" asks for its bar.
BETTER, MIXED, SEPARABLE = bar["better"] / 100, bar["mixed"], bar["separable"]
Conditions = dict[str, Truth]
Seeds = Sequence[float]


def clearer(tsne: Seeds, pca: Seeds, cifar: Mapping[str, float]) -> Conditions:
    """V-Q2.1, from the shares of pictures whose class ten neighbours in the map name, one value an encoder."""
    return {
        f"drawn shapes, {len(tsne)} encoders: ten neighbours in t-SNE name the class more often": ahead(tsne, pca),
        "CIFAR-10 (reference): likewise, by 5 points": cifar["t-SNE"] > cifar["PCA"] + BETTER,
    }


def reason(linear: Seeds, distances: Seeds, tsne: Seeds) -> Conditions:
    """V-Q2.2: taking away either property costs something, in a linear local map or one of all distances."""
    return {
        "local matters: t-SNE is ahead of the non-linear map made from all distances": ahead(tsne, distances),
        "non-linear matters: t-SNE is ahead of the linear map that keeps neighbours": ahead(tsne, linear),
    }


def grouping(maps: Mapping[str, float], probes: Mapping[str, float]) -> Conditions:
    """V-Q2.3: a map that groups the classes means that y holds them, and that training put them there."""
    groups, reads = bar["classes group in a map"] / 100, bar["a linear layer reads the class"] / 100
    grouped, before = [probes[n] for n in probes if maps[n] > groups], max(maps["untrained"], maps["raw pixels"])
    return {
        "some map groups the classes": len(grouped) > 0,
        "wherever one does, a linear probe finds the classes in y": all(told > reads for told in grouped),
        "numbers that know nothing of the class do not group": maps["noise"] < groups,
        "nor do the untrained encoder and raw pixels: training did it": before < groups,
    }


def informative(kept: Mapping[str, Seeds], off: Mapping[str, Seeds]) -> Conditions:
    """V-Q2.4: shares of y's neighbours that survive in a map; how far the class share is from that of y."""
    return {
        "it keeps more of y's nearest neighbours": ahead(kept["t-SNE"], kept["PCA"]),
        "what it shows of the classes is nearer to what holds in all dimensions": ahead(off["PCA"], off["t-SNE"]),
    }


def mixing(cifar: Mapping[str, float], quick: Seeds) -> Conditions:
    """V-Q2.5, from the shares of pictures whose class ten neighbours in the map name."""
    words = "CIFAR-10 (reference), {}: a fifth lie among another class"
    found: Conditions = {words.format(name): 1 - named > MIXED for name, named in cifar.items()}
    return found | {"quick encoder, t-SNE, three seeds: likewise": ahead([1 - value for value in quick], MIXED)}


def inseparable(cifar: float, quick: Seeds) -> Conditions:
    """V-Q2.6, from the linear probes of two representations whose maps mix."""
    return {
        "CIFAR-10 (reference): the map mixes, and the probe is right less than nine times in ten": cifar < SEPARABLE,
        "quick encoder, three seeds: the map mixes, so the probe is, too": under(quick, SEPARABLE),
    }


def colour(alike: Mapping[str, Seeds], plain: Seeds, bleached: Seeds) -> Conditions:
    """V-Q2.7: `alike` from `shared_with_wrong`; map shares with the colours as they are, and averaged away."""
    sky = "wrong neighbours share the background: less than nine tenths of a stranger's distance"
    return {
        sky: shared(alike["quick"]),
        "it is a cause: with the colours averaged away the map mixes less": ahead(bleached, plain),
        "a stronger model shares less of it": ahead(alike["deep"], alike["quick"][: len(alike["deep"])]),
    }


def indicators(common: Mapping[str, Seeds], rank: Mapping[str, float]) -> Conditions:
    """V-Q2.8: shares of outliers that other models have in common with VICReg's; rank correlations with the probe."""
    least, third = max(bar["a sign follows the probe"], abs(rank["how far outliers lie"])), bar["outliers in common"]
    whose = "outliers are the data's, more than a third in common with another model's: "
    of_data: Conditions = {whose + name: ahead(shares, third) for name, shares in common.items()}
    return of_data | {
        "clustered by class: it follows the probe, and closer than the outliers do": rank["clustered by class"] > least,
        "clustered around anything, without labels: likewise": rank["clustered around anything"] > least,
    }
