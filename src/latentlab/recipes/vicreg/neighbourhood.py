"""When a claim of notebook 03 holds: bars beside those of `conditions`; conditions are functions of arrays, one value a seed."""

from latentlab.evaluation import ahead
from latentlab.evaluation.arrays import Array

from .conditions import Truth, under

# property: threshold, and why it stands there
BARS = {
    "a trait is shared": (0.9, "of the difference between random pictures at most"),
    "nearly all": (90.0, "percent at least"),
    "looks average": (1.0, "times as far from the mean brightness and contrast as a random picture, at most"),
    "furthest on average": (0.99, "of all pictures lie nearer to the mean"),
    "no pattern": (5.0, "points of accuracy, which the query's class adds to a guess, at most"),
    "told apart": (99.0, "percent of the pictures, by ten neighbours in the map"),
    "good feature": (0.99, "of all pairs in the right order"),
    "clusters are classes": (50.0, "percent in the cluster of their class: right more often than wrong"),
    "heaps": (0.25, "silhouette; below it Kaufman and Rousseeuw (1990) see no substantial structure"),
}
SHARED, NEARLY, AVERAGE, OUTER, PATTERN, APART, FEATURE, CLASSES, HEAPS = (bar for bar, _ in BARS.values())


def shared(ratio: Array) -> Truth:
    """A trait of the pictures found is closer to the query's than chance, by the bar."""
    return under(ratio, SHARED)


def nearly_all(percent: Array) -> Truth:
    """Almost entirely."""
    return ahead(percent, NEARLY)


def looks_average(unusual: Array) -> Truth:
    """No more unusual in looks than a random picture."""
    return under(unusual, AVERAGE)


def furthest_on_average(percentile: Array) -> Truth:
    """The pictures furthest from single queries are also those furthest from all on average: the outermost."""
    return ahead(percentile, OUTER)


def no_pattern(gain: Array) -> Truth:
    """Knowing the query's class (`evaluation.foretold`, in points) adds little to a guess of what is found."""
    return under(gain, PATTERN)


def told_apart(percent: Array) -> Truth:
    """Neighbours in a map tell home from foreign."""
    return ahead(percent, APART)
