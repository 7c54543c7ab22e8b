"""One bar per property for every claim of the course: a threshold, its unit, its reason. See docs/bars.md."""

from typing import NamedTuple


class Bar(NamedTuple):
    """A threshold; its unit and the reason for it in words."""

    threshold: float
    reason: str


MAPS = {  # of notebook 01
    "mixed": Bar(0.20, "of a map's pictures lie among another class, at least: a map that mixes fewer shows islands"),
    "separable": Bar(0.90, "of held-out pictures named by a linear probe, of ten classes"),
    "outliers in common": Bar(1 / 3, "of them at least: by chance it is one in twenty"),
    "a sign follows the probe": Bar(0.5, "rank correlation over encoders, at least"),
}
VARIANTS = {  # of notebooks 02 and 03
    "much worse": Bar(15.0, "points of accuracy: ten times the noise of a probe on a thousand pictures"),
    "better": Bar(5.0, "points of accuracy on a thousand pictures: three times that noise and more"),
    "some": Bar(10.0, "percent at least: more than slips of a few"),
    "half": Bar(0.5, "of the other at most; of a loss, the larger part of it"),
    "collapsed": Bar(0.1, "of VICReg's spread at most"),
    "classes group in a map": Bar(30.0, "percent named by ten neighbours: three times chance, the eye sees patches"),
    "a linear layer reads the class": Bar(50.0, "percent of held-out pictures: right more often than wrong"),
    "closer": Bar(0.95, "of the distance of pairs of two classes at most"),
    "a number is told": Bar(0.5, "of its variance: more is known than not"),
    "drastic": Bar(10.0, "times as much"),
}
NEIGHBOURS = {  # of notebooks 03 and 07
    "a trait is shared": Bar(0.9, "of the difference between random pictures at most"),
    "nearly all": Bar(90.0, "percent at least"),
    "looks average": Bar(1.0, "times as far from the mean brightness and contrast as a random picture, at most"),
    "furthest on average": Bar(0.99, "of all pictures lie nearer to the mean"),
    "smooth": Bar(0.3, "correlation at least of code distances with picture distances: far above a shuffled list's"),
    "above chance": Bar(0.05, "of agreement above chance at least: what blind neighbours do not show"),
    "no pattern": Bar(5.0, "points of accuracy, which the query's class adds to a guess, at most"),
    "told apart": Bar(99.0, "percent of the pictures, by ten neighbours in the map"),
    "good feature": Bar(0.99, "of all pairs in the right order"),
    "clusters are classes": Bar(50.0, "percent in the cluster of their class: right more often than wrong"),
    "heaps": Bar(0.25, "silhouette; below it Kaufman and Rousseeuw (1990) see no substantial structure"),
}
CODES = {  # of notebook 04
    "rebuilt adequately": Bar(0.5, "of the mean image's error at most: more of the variance is kept than lost"),
    "recognised": Bar(0.9, "as many reconstructions as originals, at least: a classifier's word, not ours"),
    "information is lost": Bar(0.05, "of the mean image's error at least: what a reader can see is missing"),
    "like a projection": Bar(
        0.5, "of the first pass's change at most in a second pass: a projection has 0, a stranger about 1"
    ),
    "moderate": Bar(1 / 3, "of the earlier gain per number at most, and a gain"),
    "the reason": Bar(0.5, "of the effect at least: the larger part"),
    "noise": Bar(0.5, "of the way from pictures to noise at least, in the correlation of neighbouring pixels"),
    "correlated": Bar(0.05, "mean |r| at least: many times what 20,000 independent draws show"),
    "a point": Bar(0.01, "of accuracy, the same pictures and seeds in pairs: less is no difference to a user"),
    "as good": Bar(0.02, "of accuracy below the best at most"),
    "fitted": Bar(0.05, "nats of training loss at most: 95 % sure of each label"),
    "the gradient vanishes": Bar(0.01, "of the last layer's gradient at most, at the first layer"),
}
BARS = MAPS | VARIANTS | NEIGHBOURS | CODES
bar = {name: one.threshold for name, one in BARS.items()}  # property → threshold
