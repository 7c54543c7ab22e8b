"""The first notebook's helpers, and that its prose names what exists."""

import re
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement

from latentlab.course import check_environment, course_map, install, overview, verdict_overview

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


@pytest.fixture
def book(monkeypatch):
    monkeypatch.setattr(overview, "ledger", lambda: BOOK)


def prose(path=START):
    return "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")


def need(folder, monkeypatch, *lines):
    """A course that needs these packages."""
    (folder / "pyproject.toml").write_text(f"[project]\ndependencies = {list(lines)}")
    monkeypatch.setattr(install, "repository", lambda: folder)


def test_environment_says_yes_no_and_what_to_do(tmp_path, capsys, monkeypatch):
    need(tmp_path, monkeypatch, "packaging>=1", "nothing-like-it>=1; python_version < '3'")
    assert check_environment()
    assert capsys.readouterr().out.splitlines() == ["Python ≥ 3.11: yes", "packaging ≥ 1: yes"]
    need(tmp_path, monkeypatch, "packaging>=9999", "nothing-like-it>=1")
    assert not check_environment()
    _, old, missing = capsys.readouterr().out.splitlines()
    assert old.startswith("packaging ≥ 9999: NO, this is ") and old.endswith("pip install 'packaging>=9999'")
    assert missing == "nothing-like-it ≥ 1: NO, it is missing. Install it: pip install 'nothing-like-it>=1'"
    monkeypatch.setattr(install.metadata, "version", lambda name: "2.9.0.dev20261101+cu999")
    need(tmp_path, monkeypatch, "torch>=2.4")
    assert check_environment(), "a hosted notebook's development build counts"


def test_map_counts_claims_and_questions(book):
    assert course_map() == [["01_t", "1", "0"], ["02_t", "2", "1"], ["09_later", "1", "0"]]


def test_verdicts_come_by_notebook_with_their_ids(book, capsys):
    assert verdict_overview() == [["01_t", "0", "0", "1 (T-2)", "0", "0"], ["02_t", "0", "2 (T-1, T-3)", "0", "0", "0"]]
    assert capsys.readouterr().out.splitlines() == [
        "Claims tested so far: 0 confirmed, 2 refuted, 1 depends, 0 unresolved, 0 undecidable",
        "01_t: confirmed 0, refuted 0, depends 1 (T-2), unresolved 0, undecidable 0",
        "02_t: confirmed 0, refuted 2 (T-1, T-3), depends 0, unresolved 0, undecidable 0",
    ]


def test_the_ledger_s_notebooks_and_all_written_ones_are_on_the_map():
    named = set(re.findall(r"\d\d_\w+", prose()))
    assert {row[0] for row in course_map()} | {path.stem for path in NOTEBOOKS.glob("*.ipynb")} <= named


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_links_to_files_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose(path)):
        assert re.match(r"https?://|attachment:", target) or (path.parent / target).exists(), (
            f"{path.stem} links to {target}"
        )


def test_the_environment_check_asks_for_what_pyproject_names():
    cells = nbformat.read(START, as_version=4).cells
    outputs = [o for c in cells if "check_environment" in c.source for o in c.get("outputs", [])]
    shown = "".join(o.data["text/plain"] + "\n" for o in outputs if "data" in o)
    assert any(
        "<summary>Is this machine ready? yes</summary>" in o.get("data", {}).get("text/html", "") for o in outputs
    )
    project = (NOTEBOOKS.parent / "pyproject.toml").read_text(encoding="utf-8")
    needs = re.search(r"\ndependencies = \[(.*?)\]", project, re.S)[1]
    for need in map(Requirement, re.findall(r'"(.*?)"', needs)):
        assert f"{need.name} ≥ {str(need.specifier).removeprefix('>=')}: yes\n" in shown
