"""k-means on known groups, agreement with classes by counting pairs, and what is said to input without groups."""

from itertools import combinations, permutations

import numpy as np
import pytest
import torch
from sklearn.metrics import silhouette_samples

from latentlab import evaluation as ev
from latentlab import plots

RNG = np.random.default_rng(0)
LABELS = np.repeat(np.arange(4), [50, 40, 30, 20])
GROUPS = (12 * np.eye(4)[LABELS] + RNG.standard_normal((140, 4))).astype(np.float32)


def test_k_means_finds_separate_groups_largest_first():
    for seed in range(6):
        found = ev.k_means(GROUPS, 4, seed=seed)
        assert torch.bincount(found.cluster).tolist() == [50, 40, 30, 20]
        for c in range(4):
            assert np.allclose(found.centres[c], GROUPS[found.cluster.numpy() == c].mean(0), atol=1e-4)
    assert torch.equal(found.cluster, ev.k_means(GROUPS, 4, seed=5).cluster)
    assert ev.cluster_agreement(found.cluster, LABELS) == pytest.approx({"nmi": 1, "ari": 1, "matched": 1})


def test_confusion_counts_rows():
    cluster, labels = [5, 5, 2, 2, 2], [0, 1, 1, 1, 3]
    assert ev.confusion(cluster, labels).tolist() == [[0, 2, 1], [1, 1, 0]]  # clusters 2 and 5, classes 0, 1 and 3


def test_agreement_is_what_the_definitions_say():
    cluster, labels = RNG.integers(0, 3, 60), RNG.integers(0, 3, 60)
    cluster[:40] = (labels[:40] + 1) % 3  # other numbers, mostly the same partition
    found = ev.cluster_agreement(cluster, labels)
    # adjusted Rand index from the pairs themselves
    pairs = list(combinations(range(60), 2))
    same = np.array([(cluster[i] == cluster[j], labels[i] == labels[j]) for i, j in pairs])
    both, expected = same.all(1).sum(), same[:, 0].sum() * same[:, 1].sum() / len(pairs)
    assert found["ari"] == pytest.approx((both - expected) / (same.sum(0).mean() - expected))
    # mutual information over the mean of both entropies
    joint = np.array([[np.mean((cluster == a) & (labels == b)) for b in range(3)] for a in range(3)])
    entropy = [-(p * np.log(p)).sum() for p in (joint.sum(0), joint.sum(1), joint[joint > 0])]
    assert found["nmi"] == pytest.approx((entropy[0] + entropy[1] - entropy[2]) / ((entropy[0] + entropy[1]) / 2))
    assert found["matched"] == pytest.approx(
        max(np.mean(np.array(p)[cluster] == labels) for p in permutations(range(3)))
    )
    chance = ev.cluster_agreement(RNG.integers(0, 3, 5000), RNG.integers(0, 3, 5000))
    assert abs(chance["ari"]) < 0.01 and chance["nmi"] < 0.01


def test_silhouette_is_scikit_learns_and_samples_many_rows():
    assert ev.silhouette(GROUPS, LABELS) == pytest.approx(silhouette_samples(GROUPS, LABELS).mean(), abs=1e-5)
    assert abs(ev.silhouette(GROUPS, RNG.permutation(LABELS))) < 0.1 < 0.7 < ev.silhouette(GROUPS, LABELS)
    many, labels = np.tile(GROUPS, (60, 1)), np.tile(LABELS, 60)  # 8,400 rows
    assert ev.silhouette(many, labels, seed=1) == pytest.approx(ev.silhouette(GROUPS, LABELS), abs=0.02)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ev.k_means(np.where(GROUPS > 9, np.nan, GROUPS), 4), "NaN or infinity"),
        (lambda: ev.k_means(GROUPS[:3], 10), "10 clusters of 3 rows"),
        (lambda: ev.k_means(np.tile(GROUPS[:5], (200, 1)), 10), "Only 5 rows are different"),
        (lambda: ev.cluster_agreement(LABELS, np.zeros(140, dtype=int)), "All 140 rows are of class 0"),
        (lambda: ev.cluster_agreement(LABELS[:-1], LABELS), "one label for each of the 139 rows"),
        (lambda: ev.silhouette(GROUPS, np.zeros(140, dtype=int)), "1 groups of 140 rows"),
        (lambda: ev.silhouette(GROUPS, LABELS[1:]), "groups has shape"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_map_shows_every_point_the_centres_as_discs_and_each_class_by_itself():
    found = ev.k_means(GROUPS, 4)
    fig = plots.cluster_maps(GROUPS[:, :2], found.cluster, LABELS, list("abcd"), found.centres[:, :2], title="t")
    drawn = [[len(c.get_offsets()) for c in ax.collections] for ax in fig.axes]
    assert sum(drawn[0]) == 140 + 4 and drawn[1:] == [[140, n] for n in (50, 40, 30, 20)]
    centres = found.centres[:, :2].tolist()
    assert [(text.get_text(), list(text.xy)) for text in fig.axes[0].texts] == list(zip("1234", centres, strict=True))
    assert "140 images in a map with the centres of 4 clusters" in fig.alt
    for broken in ((GROUPS[:, :2], found.centres[:3, :2]), (GROUPS, found.centres[:, :2])):
        with pytest.raises(ValueError, match="no fit"):
            plots.cluster_maps(broken[0], found.cluster, LABELS, list("abcd"), broken[1], title="")


def test_the_table_shows_every_count_in_the_order_of_the_classes():
    counts = ev.confusion([0, 0, 0, 1], [1, 1, 0, 0]).numpy()
    fig = plots.cluster_table(counts, ["cat", "dog"], title="t")
    assert sorted(text.get_text() for text in fig.axes[0].texts) == ["1", "1", "2"]  # a zero stays empty
    assert [tick.get_text() for tick in fig.axes[0].get_yticklabels()] == ["2", "1"]
    assert "rising: ≈ 67 % and ≈ 100 %" in fig.alt
    with pytest.raises(ValueError, match="one column for each class"):
        plots.cluster_table(counts, ["cat"], title="t")
