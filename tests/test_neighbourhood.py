"""Every measured condition of notebook 03 in a small world where it holds, one where it fails, and one where seeds hide it."""

import pytest

from latentlab.evaluation import Unresolved
from latentlab.recipes.vicreg import neighbourhood as hood

WORLDS = {  # condition: values that hold, that fail, that the seeds hide
    hood.shared: ([0.4, 0.5, 0.45], [1.0, 1.05, 1.02], [0.7, 1.1, 0.9]),
    hood.nearly_all: ([95, 97, 96], [70, 75, 60], [80, 99, 95]),
    hood.looks_average: ([0.6, 0.7, 0.65], [1.6, 1.8, 1.7], [1.2, 1.2, 0.9]),
    hood.furthest_on_average: ([0.999, 0.998, 0.9995], [0.5, 0.6, 0.4], [0.95, 0.999, 0.999]),
    hood.no_pattern: ([1, 0, 2], [20, 25, 18], [1, 9, 6]),
    hood.told_apart: ([100, 100, 99.9], [80, 85, 82], [97, 100, 99.9]),
}


@pytest.mark.parametrize(("condition", "worlds"), WORLDS.items(), ids=lambda x: getattr(x, "__name__", ""))
def test_a_condition_comes_out_either_way_or_hidden(condition, worlds):
    holds, fails, hidden = worlds
    assert condition(holds) is True and condition(fails) is False and isinstance(condition(hidden), Unresolved)


def test_every_bar_has_a_reason():
    assert all(reason and bar > 0 for bar, reason in hood.BARS.values())
