"""The ledger and the notebooks: every question and claim has one cell that earns its entry, and the checks can fail."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import ledger_conditions as conditions
import ledger_linter as checks
from latentlab.course import ledger

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"

# Every id of the coursework's list of questions and claims, by prefix: "V-Q2." with 8 stands for V-Q2.1 to V-Q2.8.
CLAIMS = {
    "V-Q2.": 8, "V-Q3.": 1, "V-Q4.": 7, "V-Q5.": 10, "V-Q6.": 9, "V-Q7.": 5, "V-Q8.": 10, "V-AD2.": 8, "V-AD3.": 3,
    "A-1.1.": 10, "A-1.2.": 6, "A-1.3.": 11, "A-1.4.": 6, "A-2.1.": 4,
    "A-2.2.1.": 5, "A-2.2.2.": 7, "A-2.2.3.": 11, "A-2.2.4.": 5,
    "C-0.": 4, "C-2.": 1, "C-4b.": 1, "C-4d.": 1, "C-4e.": 2, "C-5.": 2, "C-6.": 3, "C-7.": 3, "C-8.": 4,
    "G-1.0": "a b", "G-2.0": "a b c", "G-2.1.": 6, "G-2.2.": 3,
    "G-3.1.": 1, "G-3.2.": 8, "G-3.3.": 1, "G-3.4.": "0", "G-3.4a.": 2, "G-3.4b.": 6,
    "G-4.1.": 1, "G-4.2.": 1, "G-4.3.": 1, "G-4.4.": 1, "G-4.5.": 1, "G-4.6.": 6, "G-5.": 11,
}  # fmt: skip
# Questions that no claim stands for; the homework C has no answers, so that every part worth points is here.
ANSWERS = {
    "V-": "Q1 Q5.11 AD1 CL", "C-": "1 2 3", "C-4": "a b c d(i) d(ii) d(iii-A) d(iii-B) e(i) e(ii)",
    "C-5": "(i) (ii) (iii)", "C-6": "a b", "C-7": "a(i) a(ii) a(iii) a(iv) a(v) a(vi) b c d",
    "C-8": "a b(A) b(B) b(C) c d",
    "G-1.": 4,
}  # fmt: skip
OF_NOTEBOOK = {
    "01_vicreg": r"V-Q[123]\b", "02_vicreg_ablations": r"V-Q[4567]\b",
    "03_retrieval_anomalies_clusters": r"V-(Q8|AD|CL)",
    "04_autoencoder": r"A-1\.", "05_calculus_checks": r"A-2\.",
    "06_contrastive_theory": r"C-[0-6]", "07_shapes": r"C-[78]",
    "08_autoregressive": r"G-1\.", "09_flows": r"G-2\.", "10_vae": r"G-3\.", "11_gan": r"G-4\.",
    "12_simclr_review": r"G-5\.",
}  # fmt: skip


def ids(patterns):
    """The ids that a compact table stands for."""
    ends = {p: [str(i + 1) for i in range(n)] if isinstance(n, int) else n.split() for p, n in patterns.items()}
    return [prefix + end for prefix, tail in ends.items() for end in tail]


# ---- the ledger itself ----


def test_ledger_holds_exactly_the_ids_of_the_coursework():
    assert sorted(ledger()["claims"]) == sorted(ids(CLAIMS))
    assert sorted(ledger()["answers"]) == sorted(ids(ANSWERS))


def test_entries_are_complete_sentences_in_the_right_notebook():
    for table, words, result in (("claims", "statement", "verdict"), ("answers", "question", "answer")):
        for id, entry in ledger()[table].items():
            assert set(entry) == {words, result, "notebook"}, id
            assert len(entry[words]) > 15 and entry[words][-1] == {"claims": ".", "answers": "?"}[table], id
            assert re.match(OF_NOTEBOOK[entry["notebook"]], id), f"{id} is not of {entry['notebook']}"


def test_no_two_claims_say_the_same():
    statements = [entry["statement"] for entry in ledger()["claims"].values()]
    assert len(set(statements)) == len(statements)


# ---- the real notebooks ----


def test_committed_notebooks_earn_the_ledger():
    """Lists entries without a cell, duplicates, cells that cannot fail or were not run, and verdicts that differ."""
    assert "\n".join(checks.problems(NOTEBOOKS)) == ""


def test_uncovered_ids_belong_to_notebooks_still_to_be_written():
    book, written = ledger(), checks.notebook_files(NOTEBOOKS)
    for id in checks.uncovered(NOTEBOOKS):
        assert (book["claims"].get(id) or book["answers"][id])["notebook"] not in written, id


# ---- constructed notebooks: each fault is found, and nothing else ----

BOOK = {
    "claims": {
        "T-1": {"statement": "One.", "verdict": "confirmed", "notebook": "01_t"},
        "T-2": {"statement": "Two.", "verdict": "depends", "notebook": "01_t"},
        "T-9": {"statement": "Later.", "verdict": "open", "notebook": "09_later"},
    },
    "answers": {"T-Q": {"question": "How many?", "answer": "3", "notebook": "01_t"}},
}
SETUP = "from latentlab.losses import penalty\nimport numpy as np\nloss = penalty(0.5)\nlimit = 1"
ONE = 'claim("T-1", parts={"it falls": loss < limit})'
TWO = 'claim("T-2", cases={f"d = {d}": loss < d for d in (0, 9)})'
ASK = 'answer("T-Q", round(loss))'


def fact(id, result, kind="claim"):
    key = "verdict" if kind == "claim" else "answer"
    return new_output(
        "display_data", {"text/plain": id}, metadata={"latentlab": [{"kind": kind, "id": id, key: result}]}
    )


def cell(source, *outputs, run=True):
    return new_code_cell(source, outputs=list(outputs), execution_count=1 if run else None)


def good(one=ONE, two=TWO, ask=ASK, setup=SETUP):
    return [
        new_markdown_cell("# A notebook"),
        cell(setup),
        cell(one, fact("T-1", "confirmed")),
        cell(two, fact("T-2", "depends")),
        cell(ask, fact("T-Q", "3", "answer")),
    ]


def found(tmp_path, cells, book=BOOK):
    nbformat.write(new_notebook(cells=cells), tmp_path / "01_t.ipynb")
    return checks.problems(tmp_path, book)


def test_a_good_notebook_has_no_problems(tmp_path):
    assert found(tmp_path, good()) == []
    assert checks.uncovered(tmp_path, BOOK) == ["T-9"]


def test_no_notebook_is_fine_as_long_as_the_ledger_is_open(tmp_path):
    book = {"claims": {"T-9": BOOK["claims"]["T-9"]}, "answers": {}}
    assert checks.problems(tmp_path, book) == []
    earned = checks.problems(tmp_path, BOOK)
    assert len(earned) == 3 and all("does not exist to earn it" in line for line in earned)


def test_missing_cell_is_found(tmp_path):
    cells = good()
    assert found(tmp_path, cells[:3] + cells[4:]) == ["01_t: T-2 has no claim() cell."]


def test_duplicate_cell_is_found(tmp_path):
    (line,) = found(tmp_path, [*good(), cell(ONE, fact("T-1", "confirmed"))])
    assert line.startswith("T-1 has 2 cells (01_t, code cell 2; 01_t, code cell 5)")


@pytest.mark.parametrize("verdict", ["refuted", "depends", "undecidable"])
def test_disagreeing_verdict_is_found(tmp_path, verdict):
    cells = good()
    cells[2] = cell(ONE, fact("T-1", verdict))
    assert found(tmp_path, cells) == [f"01_t, code cell 2: T-1: computed {verdict!r}, but the ledger says 'confirmed'."]


def test_disagreeing_answer_is_found(tmp_path):
    cells = good()
    cells[4] = cell(ASK, fact("T-Q", "4", "answer"))
    assert found(tmp_path, cells) == ["01_t, code cell 4: T-Q: computed '4', but the ledger says '3'."]


def test_unrun_cell_is_found(tmp_path):
    cells = good()
    cells[2] = cell(ONE, run=False)
    assert found(tmp_path, cells) == ["01_t, code cell 2: T-1: the cell was never run."]


def test_run_cell_without_output_is_found(tmp_path):
    cells = good()
    cells[2] = cell(ONE)
    assert found(tmp_path, cells) == ["01_t, code cell 2: T-1: the cell's outputs hold no verdict."]


def test_stale_output_is_found(tmp_path):
    cells = good()
    cells[1] = cell(SETUP, fact("T-1", "confirmed"))
    (line,) = found(tmp_path, cells)
    assert line.startswith("01_t, code cell 1: the outputs show T-1, the source does not")


def test_open_entry_of_a_written_notebook_is_found(tmp_path):
    book = {**BOOK, "claims": {**BOOK["claims"], "T-1": {**BOOK["claims"]["T-1"], "verdict": "open"}}}
    assert "T-1 is open in the ledger although 01_t exists." in found(tmp_path, good(), book)


def test_unknown_id_wrong_notebook_and_misspelt_verdict_are_found(tmp_path):
    for source, words in {
        'claim("T-7", parts=loss)': "T-7 is not among the ledger's claims",
        'claim("T-9", parts=loss)': "T-9 belongs in 09_later",
        "claim(name, parts=loss)": "must be a plain string",
    }.items():
        assert any(words in line for line in found(tmp_path, [*good(), cell(source)])), words
    book = {**BOOK, "claims": {**BOOK["claims"], "T-9": {**BOOK["claims"]["T-9"], "verdict": "proven"}}}
    assert any("'proven' is no verdict" in line for line in found(tmp_path, good(), book))


CANNOT_FAIL = {
    "a constant": 'claim("T-1", parts={"it falls": True})',
    "arithmetic of constants": 'claim("T-1", parts={"it falls": 1 + 1 == 2})',
    "one constant among two": 'claim("T-1", parts={"it falls": loss < 1, "it is low": True})',
    "a builtin of a constant": 'claim("T-1", parts={"it falls": bool(1)})',
    "numpy of constants": 'claim("T-1", parts={"it falls": np.isclose(1, 1)})',
    "a name bound to a constant": 'claim("T-1", parts={"it falls": limit > 0})',
    "a name bound to such a name": 'again = limit\nclaim("T-1", parts={"it falls": again > 0})',
    "a thing equal to itself": 'claim("T-1", parts={"it falls": loss == loss})',
    "or True": 'claim("T-1", parts={"it falls": loss < 1 or True})',
    "a loop over constants": 'claim("T-1", parts={f"d = {d}": d > 0 for d in (1, 2)})',
    "a dict under a name": 'rows = {"it falls": True}\nclaim("T-1", parts=rows)',
    "a dict filled afterwards": 'rows = {}\nrows["it falls"] = True\nclaim("T-1", parts=rows)',
    "given by position": 'claim("T-1", {"it falls": True})',
    "a function of nothing": 'def always():\n    return True\nclaim("T-1", parts={"it falls": always()})',
    "course.claim": 'course.claim("T-1", parts={"it falls": True})',
}


@pytest.mark.parametrize("source", CANNOT_FAIL.values(), ids=CANNOT_FAIL)
def test_cell_that_cannot_fail_is_found(tmp_path, source):
    (line,) = found(tmp_path, good(one=source))
    assert line.startswith("01_t, code cell 2: T-1") and "cannot fail" in line


def test_typed_answer_is_found(tmp_path):
    (line,) = found(tmp_path, good(ask='answer("T-Q", "3")'))
    assert line.startswith("01_t, code cell 4: T-Q: the answer cannot fail")


CAN_FAIL = {
    "a latentlab function": 'claim("T-1", parts={"it falls": penalty(2.0) == 0})',
    "a latentlab module": 'import latentlab.losses as L\nclaim("T-1", parts={"it falls": L.penalty(2.0) == 0})',
    "a function of the notebook": 'def f(x):\n    return 2 * x\nclaim("T-1", parts={"it falls": f(2) == 4})',
    "a class of the notebook": 'class Map:\n    size = penalty(3)\nclaim("T-1", parts={"it falls": Map.size > 4})',
    "a name bound to a call": 'matrix = np.eye(3)\nclaim("T-1", parts={"it falls": np.linalg.det(matrix) > 0})',
    "a loop over computed things": 'claim("T-1", cases={f"{d}": d > 0 for d in [loss, penalty(1)]})',
    "a dict under a name": 'rows = {f"{d}": penalty(d) > 0 for d in (1, 2)}\nclaim("T-1", parts=rows)',
    "unpacked pairs": 'a, b = penalty(1), 2\nclaim("T-1", parts={"it falls": a < b})',
    "a magic beside it": '%matplotlib inline\nclaim("T-1", parts={"it falls": loss < 1})',
    "undecidable": 'claim("T-1", undecidable="The figure is lost.")',
}


@pytest.mark.parametrize("source", CAN_FAIL.values(), ids=CAN_FAIL)
def test_cell_that_can_fail_is_accepted(tmp_path, source):
    assert found(tmp_path, good(one=source)) == []


def test_unpacked_constant_is_not_computed():
    bound = conditions.bindings([ast.parse("a, b = penalty(1), 2")])
    assert conditions.computed_names(bound) == {"a"}


def test_a_cell_that_is_not_python_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"01_t.ipynb, code cell 1 is not Python"):
        found(tmp_path, [cell("claim(")])
