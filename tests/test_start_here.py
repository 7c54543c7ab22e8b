"""The first notebook's helpers, and that its prose names what exists."""

import re
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement

from latentlab.course import check_environment, course_map, ledger, overview, verdict_overview

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
START = NOTEBOOKS / "00_start_here.ipynb"
BOOK = {
    "claims": {
        "T-1": {"statement": "One.", "verdict": "refuted", "notebook": "02_t"},
        "T-2": {"statement": "Two.", "verdict": "depends", "notebook": "01_t"},
        "T-3": {"statement": "Three.", "verdict": "refuted", "notebook": "02_t"},
        "T-9": {"statement": "Later.", "verdict": "open", "notebook": "09_later"},
    },
    "answers": {"T-Q": {"question": "How many?", "answer": "3", "notebook": "02_t"}},
}


def prose(path=START):
    return "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")


def test_environment_says_yes_no_and_what_to_do(capsys, monkeypatch):
    assert check_environment(["packaging>=1", 'nothing-like-it>=1; extra == "lab"'])
    assert capsys.readouterr().out.splitlines() == ["Python ≥ 3.11: yes", "packaging ≥ 1: yes"]
    assert not check_environment(["packaging>=9999", "nothing-like-it>=1"])
    _, old, missing = capsys.readouterr().out.splitlines()
    assert old.startswith("packaging ≥ 9999: NO, this is ") and old.endswith("pip install 'packaging>=9999'")
    assert missing == "nothing-like-it ≥ 1: NO, it is missing. Install it: pip install 'nothing-like-it>=1'"
    monkeypatch.setattr(overview.metadata, "version", lambda name: "2.9.0.dev20261101+cu999")
    assert check_environment(["torch>=2.4"]), "a hosted notebook's development build counts"


def test_map_counts_claims_and_questions_and_knows_what_is_open():
    assert course_map(BOOK) == [["01_t", "ready", "1", "0"], ["02_t", "ready", "2", "1"], ["09_later", "coming", "1", "0"]]


def test_verdicts_come_by_notebook_with_their_ids(capsys):
    assert verdict_overview(BOOK) == [["01_t", "0", "0", "1 (T-2)", "0", "0"], ["02_t", "0", "2 (T-1, T-3)", "0", "0", "0"]]
    assert capsys.readouterr().out.splitlines() == [
        "Claims tested so far: 0 confirmed, 2 refuted, 1 depends, 0 unresolved, 0 undecidable",
        "01_t: confirmed 0, refuted 0, depends 1 (T-2), unresolved 0, undecidable 0",
        "02_t: confirmed 0, refuted 2 (T-1, T-3), depends 0, unresolved 0, undecidable 0",
    ]


def test_the_ledger_s_notebooks_and_all_written_ones_are_on_the_map():
    named = set(re.findall(r"\d\d_\w+", prose()))
    assert {row[0] for row in course_map(ledger())} | {path.stem for path in NOTEBOOKS.glob("*.ipynb")} <= named


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_links_to_files_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose(path)):
        assert re.match(r"https?://|attachment:", target) or (path.parent / target).exists(), f"{path.stem} links to {target}"


def test_the_environment_check_asks_for_what_pyproject_names():
    cells = nbformat.read(START, as_version=4).cells
    outputs = [o for c in cells if "check_environment" in c.source for o in c.get("outputs", [])]
    shown = "".join(o.data["text/plain"] + "\n" for o in outputs if "data" in o)
    assert any("<summary>Is this machine ready? yes</summary>" in o.get("data", {}).get("text/html", "") for o in outputs)
    project = (NOTEBOOKS.parent / "pyproject.toml").read_text(encoding="utf-8")
    needs = re.search(r"\ndependencies = \[(.*?)\]", project, re.S)[1]
    for need in map(Requirement, re.findall(r'"(.*?)"', needs)):
        assert f"{need.name} ≥ {str(need.specifier).removeprefix('>=')}: yes\n" in shown
