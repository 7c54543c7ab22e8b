"""Student versions: gaps instead of solutions, no guesses, no outputs, and the committed ones are those of today."""

import json
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from latentlab.publish import student

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SOLVED = '''def double(x):
    """2 x."""
    ### BEGIN SOLUTION
    secret = 2
    return secret * x
    ### END SOLUTION
'''


def notebook(*sources):
    cells = [new_code_cell(s, id=f"c{n}", metadata={"nbgrader": {"grade_id": f"g{n}"}}) for n, s in enumerate(sources)]
    for cell in cells:
        cell.outputs, cell.execution_count = [new_output("stream", text="the answer is 42")], 3
    return new_notebook(cells=[new_markdown_cell("# Title", id="title"), *cells])


def test_a_solution_becomes_a_gap_that_says_what_to_do():
    cell = student.student_version(notebook(SOLVED)).cells[1]
    assert "secret" not in cell.source and "SOLUTION" not in cell.source
    space = {}
    exec(cell.source, space)
    with pytest.raises(NotImplementedError, match="your code here"):
        space["double"](1)
    assert cell.metadata.nbgrader.grade_id == "g0"


def test_no_guess_and_no_output_is_left():
    source = (
        'predict("1", "µ or (B)?", ("α", "b"), yours="α")\npredict(\n    "2",\n    yours=(1, f(2)),\n)\nyours = 3\n'
    )
    cell = student.student_version(notebook(source)).cells[1]
    wanted = 'predict("1", "µ or (B)?", ("α", "b"), yours=None)\npredict(\n    "2",\n    yours=None,\n)\nyours = 3\n'
    assert cell.source == wanted
    assert cell.outputs == [] and cell.execution_count is None


@pytest.mark.parametrize(
    "source", [SOLVED.replace(student.END, ""), SOLVED.replace(student.BEGIN, ""), 2 * student.BEGIN]
)
def test_marks_without_partner_are_refused(source):
    if source == 2 * student.BEGIN:
        source = f"{student.BEGIN}\n{student.BEGIN}\n{student.END}"
    with pytest.raises(ValueError, match="partner"):
        student.student_version(notebook(source))


def test_a_repository_adds_badge_and_set_up_cell(tmp_path):
    nbformat.write(notebook("x = 1"), tmp_path / "08_x.ipynb")
    assert student.main([str(tmp_path), "--out", str(tmp_path / "s"), "--repository", "ada/course"]) == 0
    made = nbformat.read(tmp_path / "s" / "08_x.ipynb", as_version=4)
    assert "colab.research.google.com/github/ada/course/blob/HEAD/notebooks/student/08_x.ipynb" in made.cells[0].source
    assert "https://github.com/ada/course.git" in made.cells[1].source
    exec(made.cells[1].source, {})  # latentlab is here: nothing happens
    assert student.main([str(tmp_path), "--out", str(tmp_path / "s"), "--repository", "not an address"]) == 1


def test_the_same_source_gives_the_same_bytes_and_what_is_gone_goes(tmp_path):
    nbformat.write(notebook(SOLVED), tmp_path / "a.ipynb")
    out = tmp_path / "s"
    out.mkdir()
    (out / "old.ipynb").write_text("{}")
    first = student.make(tmp_path, out)[0].read_bytes()
    assert student.make(tmp_path, out)[0].read_bytes() == first
    assert [path.name for path in out.iterdir()] == ["a.ipynb"]


def test_the_committed_student_versions_are_those_of_today(tmp_path):
    """If this fails: make student."""
    made = {path.name: path.read_bytes() for path in student.make(NOTEBOOKS, tmp_path)}
    stored = {path.name: path.read_bytes() for path in (NOTEBOOKS / "student").glob("*.ipynb")}
    stale = sorted(name for name in made.keys() | stored.keys() if made.get(name) != stored.get(name))
    assert not stale, f"Run `make student`: {', '.join(stale)}"


def test_no_solution_stands_in_a_committed_student_version():
    for path in sorted((NOTEBOOKS / "student").glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        assert not any(cell.get("outputs") for cell in cells), path.name
        assert "SOLUTION" not in path.read_text(), path.name
