"""What a page and its card take from a notebook: whole sentences, the right picture and its words, what is found."""

import base64
import io

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from latentlab.publish import page, pages, runner, student


def picture(width, height, words):
    """An output with a picture of that size and its alternative text."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(file, "PNG")
    data = {"image/png": base64.b64encode(file.getvalue()).decode()}
    return new_output("display_data", data, metadata={"image/png": {"alt": words}})


def book(*cells):
    return new_notebook(cells=[new_markdown_cell("# T\n\nWhy? Because", id="t"), *cells])


def card(notebook):
    return page.about(notebook, page.as_page(notebook, "n"))


def test_the_card_shows_the_first_wide_picture_small_with_its_own_words():
    high, wide, wider = picture(20, 900, "high"), picture(1300, 650, "wide"), picture(1400, 20, "wider")
    data, words = page.figure(book(new_code_cell(outputs=[high, wide, wider])))
    assert words == "wide" and Image.open(io.BytesIO(data)).size == (640, 320)
    assert page.figure(book(new_code_cell(outputs=[high])))[1] == "high", "none is wide: the first"


def test_the_card_ends_with_a_whole_sentence_and_the_search_finds_text_but_no_code():
    notebook = book(new_markdown_cell("## Part\n\nWords of ours."), new_code_cell("secret_name = 1"))
    found = card(notebook)
    assert found["question"] == "Why?"
    assert found["sections"][-1][1] == "Part" and "Words of ours." in found["sections"][-1][2]
    assert not any(word in text for word in ("secret_name", "Code") for _, _, text in found["sections"])


@pytest.mark.parametrize(("lines", "folded"), [(page.MANY, False), (page.MANY + 1, True)])
def test_a_long_list_of_conditions_is_folded_and_a_short_one_is_not(lines, folded):
    html = f'<section aria-label="claim"><p>said</p><ul>{"<li>x</li>" * lines}</ul></section>'
    made = page.as_page(book(new_code_cell(outputs=[new_output("display_data", {"text/html": html})])), "n")
    assert ("what was tested" in made) is folded and made.count("<li>x</li>") == lines


def test_a_run_that_never_began_a_cell_has_its_anchor_and_links_beside_the_notebook_stay():
    notebook = book(new_code_cell("x = 1"), new_markdown_cell("[up](../data/a.txt)"))
    made = page.as_page(notebook, "n", "  notebook: n\n  code cell 0 of 1: (none begun)\n  error: no kernel", "n.ipynb")
    assert made.count('id="stopped"') == 1 and '<a href="./../data/a.txt"' in made
    assert '<a href="../src/../data/a.txt"' in page.as_page(notebook, "n", source="../src/n.ipynb")


def write(folder, name, *cells):
    nbformat.write(book(*cells), folder / f"{name}.ipynb")
    return folder / f"{name}.ipynb"


def test_pages_lead_to_their_neighbours_and_the_last_run_counts(tmp_path):
    paths = [write(tmp_path, name) for name in ("a", "b", "c")]
    runner.run_notebooks(paths, tmp_path / "out", stored=True)
    last = (tmp_path / "out" / "c.html").read_text()
    assert 'href="b.html">← T' in last and 'href="a.html">← T' not in last and "→" not in last
    write(tmp_path, "b", new_code_cell("1", outputs=[picture(9, 3, "now it has one")]))
    runner.run_notebooks(paths[1:2], tmp_path / "out", stored=True)
    known = {result.name: result.about["figure"] for result in pages.earlier(tmp_path / "out")}
    assert known == {"a": False, "b": True, "c": False}


@pytest.mark.parametrize(
    ("fact", "question"),
    [
        ({"id": "V-Q2.6", "verdict": "refuted"}, "V-Q2"),
        ({"id": "A-1.1.7", "verdict": "confirmed"}, "A-1.1"),
        ({"id": "G-3.4(a)", "answer": "7"}, "G-3.4"),
        ({"id": "C-8d", "answer": "7"}, "C-8d"),
    ],
)
def test_verdicts_are_listed_by_their_question(fact, question, tmp_path):
    (row,) = pages.verdict_rows(pages.Result("n", tmp_path / "n.html", 1.0, [fact]))
    assert row["question"] == question and row["verdict"] == fact.get("verdict", "answered")


def test_all_formulas_that_fail_are_reported(tmp_path, capsys):
    cells = [new_markdown_cell(f"$\\nosuch{letter}{{x}}$") for letter in "abc"]
    runner.run_notebooks([write(tmp_path, "n", *cells)], tmp_path / "out", stored=True)
    said = capsys.readouterr().err
    assert all(f"nosuch{letter}" in said for letter in "abc")


def test_a_full_run_has_no_time_limit_and_its_profile_whatever_the_surroundings_say(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(runner, "execute", lambda notebook, path, *how: seen.append(how) or "")
    for profile in ("quick", "full"):
        runner.run_notebooks([write(tmp_path, "n")], tmp_path / "out", profile)
    assert seen == [("quick", 600), ("full", None)]
    monkeypatch.undo()
    monkeypatch.setenv("LATENTLAB_PROFILE", "full")
    stale = new_output("stream", text="of another day")
    cells = [new_code_cell("import os; print(os.environ['LATENTLAB_PROFILE'])"), new_code_cell("1 / 0")]
    path = write(tmp_path, "n", *cells, new_code_cell("print('never')", outputs=[stale], execution_count=3))
    (result,) = runner.run_notebooks([path], tmp_path / "out", "quick")
    made = result.page.read_text()
    assert ">quick" in made.replace("\n", "") and "of another day" not in made and "ZeroDivisionError" in result.error


def test_an_error_is_told_without_colours_and_a_failed_run_says_so(tmp_path, capsys):
    cell = new_code_cell("raise ValueError('\\x1b[31mred\\x1b[0m')")
    paths = [write(tmp_path, "a"), write(tmp_path, "b", cell)]
    assert runner.main([*map(str, paths), "--out", str(tmp_path / "out")]) == 1
    assert "error: ValueError: red\n" in capsys.readouterr().err


def test_what_differs_between_runs_is_removed():
    volatile = {"execution": {}, "collapsed": True, "scrolled": True, "ExecuteTime": {}}
    notebook = book(new_code_cell("1", metadata={**volatile, "tags": ["kept"]}))
    runner.make_reproducible(notebook)
    assert notebook.cells[1].metadata == {"tags": ["kept"]}


def test_only_the_guesses_of_predict_go_all_of_them():
    source = (
        'f(yours=1); predict("1", yours=2); predict("é", yours=(3,\n 4)); predict("3", yours=5); g.predict(yours=6)'
    )
    wanted = (
        'f(yours=1); predict("1", yours=None); predict("é", yours=None); predict("3", yours=None); g.predict(yours=6)'
    )
    assert student.without_guesses(source) == wanted
