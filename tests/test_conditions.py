"""Conditions of claims come out either way: made-up worlds in which each holds, fails, or is hidden by the seeds."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

import ledger_bars
from latentlab.evaluation import Unresolved, ahead, conditions
from latentlab.evaluation.bars import BARS, CODES, MAPS, NEIGHBOURS, VARIANTS, bar
from latentlab.evaluation.conditions import lost_number

LOW, HIGH, NOISY = [10.0, 12.0, 11.0], [80.0, 83.0, 81.0], [5.0, 60.0, 110.0]


def letter(condition):
    return "?" if isinstance(condition, Unresolved) else "ft"[condition]


WORLDS = {  # condition: its arguments in a world where it holds, one where it fails, one where the seeds hide it
    "much_worse": ((LOW, HIGH), (HIGH, HIGH), (NOISY, HIGH)),
    "no_better": ((HIGH, HIGH), (HIGH, LOW), (NOISY, HIGH)),
    "better": ((HIGH, LOW), (LOW, LOW), (HIGH, NOISY)),
    "half": ((LOW, HIGH), (HIGH, HIGH), (NOISY, HIGH)),
    "collapsed": (([0.01, 0.012, 0.011], [0.4, 0.5, 0.45]), ([0.3, 0.31, 0.32], [0.4, 0.5, 0.45]), (NOISY, NOISY)),
    "won_back": (([70, 71, 72], LOW, HIGH), ([20, 22, 21], LOW, HIGH), (NOISY, LOW, HIGH)),
}
# condition of one measure: its bar, and whether it asks for more
ONE = {
    "some": ("some", True), "nearly_all": ("nearly all", True), "reads": ("a linear layer reads the class", True),
    "grouped": ("classes group in a map", True), "ungrouped": ("classes group in a map", False),
    "told": ("a number is told", True), "untold": ("a number is told", False), "told_apart": ("told apart", True),
    "furthest_on_average": ("furthest on average", True), "looks_average": ("looks average", False),
    "closer": ("closer", False), "shared": ("a trait is shared", False), "no_pattern": ("no pattern", False),
}  # fmt: skip


@pytest.mark.parametrize("name", WORLDS)
def test_a_condition_can_hold_fail_and_be_hidden(name):
    assert [letter(getattr(conditions, name)(*world)) for world in WORLDS[name]] == ["t", "f", "?"]


@pytest.mark.parametrize("name", ONE)
def test_a_condition_of_one_measure_turns_at_its_bar(name):
    (property, more), condition = ONE[name], getattr(conditions, name)
    just = [[bar[property] * factor * (1 + tiny) for tiny in (-1e-4, 0, 1e-4)] for factor in (1.01, 0.99, 1.0)]
    assert [letter(condition(values)) for values in just] == (["t", "f", "?"] if more else ["f", "t", "?"])


@pytest.mark.parametrize(
    ("condition", "above", "below"),
    [
        (conditions.much_worse, (10.0, 25.1), (10.0, 24.9)), (conditions.better, (15.1, 10.0), (14.9, 10.0)),
        (conditions.no_better, (10.0, 24.9), (10.0, 25.1)), (conditions.half, (4.9, 10.0), (5.1, 10.0)),
        (conditions.collapsed, (0.99, 10.0), (1.01, 10.0)), (conditions.won_back, (6.1, 2.0, 10.0), (5.9, 2.0, 10.0)),
    ],
)  # fmt: skip
def test_a_comparison_turns_at_its_bar(condition, above, below):
    if condition is conditions.no_better:  # the first is the one that should not lead
        above, below = above[::-1], below[::-1]
    seeds = [[[value + 1e-4 * i for i in range(3)] for value in values] for values in (above, below)]
    assert [letter(condition(*values)) for values in seeds] == ["t", "f"]


def test_counts_are_drastic_or_not():
    assert conditions.drastic(101, 10) is True and conditions.drastic(99, 10) is False


def test_a_lost_number_is_judged_only_in_the_authors_set_up():
    ours = [70.0, 71.0, 72.0]
    with pytest.raises(ValueError, match="at least two seeds"):
        lost_number(71.5, ours[:1])
    assert lost_number(71.5, ours) is True and lost_number(17.58, ours) is False and lost_number(90.0, ours) is False
    other = lost_number(17.58, ours, "another encoder")
    assert isinstance(other, Unresolved) and "another encoder" in str(other)
    assert (
        other.difference == pytest.approx(71 - 17.58) and other.noise == pytest.approx(2.484, abs=1e-3) and other.n == 3
    )
    with pytest.raises(TypeError):
        bool(other)


def test_a_regime_is_ahead_by_a_point_or_not():
    assert ahead([0.82, 0.83], [0.80, 0.81], bar["a point"]) is True
    assert ahead([0.805, 0.815], [0.80, 0.81], bar["a point"]) is False


def test_every_bar_has_one_name_a_threshold_and_a_reason_of_its_own():
    assert len(BARS) == sum(map(len, (MAPS, VARIANTS, NEIGHBOURS, CODES))), "a property has two bars"
    assert all(one.threshold > 0 and len(one.reason) > 10 for one in BARS.values() if one.reason != "times as much")
    assert bar == {name: one.threshold for name, one in BARS.items()}
    assert len({(one.threshold, one.reason) for one in BARS.values()}) == len(BARS), "two names for one bar"


def test_every_bar_decides_a_claim_or_an_answer():
    assert [name for name, ids in ledger_bars.used()[0].items() if not ids] == []


def test_the_list_of_bars_is_that_of_today():
    assert ledger_bars.LIST.read_text(encoding="utf-8") == ledger_bars.text(), "Run `make bars`."


CELLS = [
    """from latentlab.evaluation import ahead
from latentlab.evaluation import conditions as judge
from latentlab.evaluation.bars import bar
from latentlab.recipes.vicreg import lesson""",
    "probe, other = measure(1), measure(2)\nworse = {'it is worse': judge.much_worse(probe, other)}",
    "claim('T-1', parts=worse)\nclaim('T-2', cases={'some': judge.some(probe), 'by five': ahead(probe, other, by=5)})",
    "worse = {'a thing': 3 * probe > bar['closer']}\nclaim('T-3', parts=worse)",
    "claim('T-4', parts=lesson.mixing({}, probe))",
    "least = bar['half']\ndef enough(x):\n    return x.mean() < 0.3",
    "answer('T-5', 'yes' if enough(probe) else 'no')\nclaim('T-6', parts={'more': probe[3] > least * len(other[:5])})",
]


def test_bars_and_numbers_are_found_behind_names_functions_and_the_package(tmp_path):
    nbformat.write(new_notebook(cells=[new_code_cell(source) for source in CELLS]), tmp_path / "01_t.ipynb")
    notebook = ledger_bars.Notebook(tmp_path / "01_t.ipynb")
    found = {id: (sorted(notebook.bars(nodes, at)), notebook.bare(nodes, at)) for id, at, nodes in notebook.calls()}
    assert found == {
        "T-1": (["much worse"], []), "T-2": (["some"], ["ahead(probe, other, by=5)"]),
        "T-3": (["closer"], ["3 * probe > bar['closer']"]), "T-4": (["mixed"], []),
        "T-5": ([], ["x.mean() < 0.3"]), "T-6": (["half"], []),
    }  # fmt: skip
