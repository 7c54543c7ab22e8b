"""The runner with real kernels and tiny notebooks: pages, table, failing cells, and the same outputs in every run."""

import json
import os
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest

from latentlab.publish import pages, runner


def fact(**facts):
    """A cell's code that shows what a claim cell shows."""
    shown = f"{{'text/plain': 'seen'}}, metadata={{'latentlab': [{facts!r}]}}, raw=True"
    return f"from IPython.display import display\ndisplay({shown})"


def write(path, *sources, ids=True):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A tiny notebook")])
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in sources]
    if not ids:
        notebook.nbformat_minor = 4
        for cell in notebook.cells:
            del cell["id"]
    nbformat.write(notebook, path)
    return path


def outputs(path):
    return [cell["outputs"] for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_a_run_writes_pages_table_and_index_and_goes_on_after_a_failing_cell(tmp_path, capsys):
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    write(
        notebooks / "01_good.ipynb",
        "import os, sys; print(sys.executable, os.getcwd(), os.environ['LATENTLAB_PROFILE'])",
    )
    seen = fact(id="A", kind="claim", verdict="depends")
    bad = write(notebooks / "02_bad.ipynb", "print('before')", seen, "\nx = 1\n1 / 0", "print('after')")
    write(notebooks / "03_after.ipynb", fact(id="B", kind="answer", answer="7"))
    untouched = bad.read_bytes()

    code = runner.main([str(notebooks), "--out", str(tmp_path / "build"), "--profile", "full", "--in-place"])
    printed = capsys.readouterr()

    assert code == 1
    # the kernel is this Python, in the notebook's folder, in the profile asked for
    assert outputs(notebooks / "01_good.ipynb")[0][0]["text"].split() == [sys.executable, str(notebooks), "full"]
    page = (tmp_path / "build" / "02_bad.html").read_text()
    assert "before" in page and "ZeroDivisionError" in page
    assert bad.read_bytes() == untouched, "a notebook that fails keeps its stored outputs"
    assert outputs(notebooks / "03_after.ipynb")[0][0]["data"] == {"text/plain": "seen"}
    assert printed.err.splitlines() == [
        f"  notebook: {bad}",
        "  code cell 3 of 4: x = 1",
        "  error: ZeroDivisionError: division by zero",
    ]
    lines = {line.split()[0]: line for line in printed.out.splitlines() if line}
    # the last occurrence of a name is its row of the table
    assert lines["01_good"].split()[2:] == ["0"] * 8
    assert lines["02_bad"].split()[2:7] == ["0", "0", "1", "0", "0"] and lines["02_bad"].split()[-1] == "1"
    assert lines["03_after"].split()[2:] == ["0", "0", "0", "0", "0", "1", "0", "0"]
    assert lines["all"].split()[2:] == ["0", "0", "1", "0", "0", "1", "0", "1"]
    assert "02_bad" in printed.out and "1 depends" in printed.out and "STOPPED AT AN ERROR" in printed.out
    assert printed.out.splitlines()[-1] == f"Open {(tmp_path / 'build' / 'index.html').as_uri()}"
    index = (tmp_path / "build" / "index.html").read_text()
    for name in ("01_good", "02_bad", "03_after"):
        assert f'href="{name}.html"' in index
    assert "division by zero" in index
    assert sorted(os.listdir(tmp_path / "build")) == [
        "01_good.html",
        "02_bad.html",
        "03_after.html",
        "course.js",
        "index.html",
    ]


def test_in_place_gives_the_same_bytes_twice_and_removes_what_is_volatile(tmp_path):
    path = write(
        tmp_path / "a.ipynb",
        "import sys\nfor i in range(3):\n    print(i, flush=True)\nprint('warned', file=sys.stderr)",
        "import matplotlib.pyplot as plt\nplt.figure(figsize=(1, 1)).gca().plot([1, 2]);",
        ids=False,
    )
    raw = json.loads(path.read_text())
    raw["metadata"] = {
        "kernelspec": {"name": "mine", "display_name": "My Python"},
        "widgets": {"state": 1},
        "title": "kept",
    }
    raw["cells"][1]["metadata"] = {"execution": {"iopub.execute_input": "2020"}, "tags": ["kept"]}
    path.write_text(json.dumps(raw))

    first = runner.run_notebooks([path], tmp_path / "out", in_place=True)
    once = path.read_bytes()
    runner.run_notebooks([path], tmp_path / "out", in_place=True)

    assert [result.error for result in first] == [""]
    assert path.read_bytes() == once
    notebook = json.loads(once)
    assert notebook["metadata"]["kernelspec"] == {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert notebook["metadata"]["title"] == "kept" and "widgets" not in notebook["metadata"]
    assert notebook["cells"][1]["metadata"] == {"tags": ["kept"]}
    assert [cell.get("execution_count") for cell in notebook["cells"]] == [None, 1, 2]
    assert [output["name"] for output in notebook["cells"][1]["outputs"]] == ["stdout", "stderr"], (
        "one piece per stream"
    )
    assert "image/png" in notebook["cells"][2]["outputs"][0]["data"]
    nbformat.validate(notebook)


def test_pages_keep_the_alternative_text_of_pictures():
    words = 'Loss < 1 after "ten" epochs & it falls'
    dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    shown = [
        nbformat.v4.new_output("display_data", {"image/png": dot}, metadata={"image/png": {"alt": words, "width": 30}}),
        nbformat.v4.new_output("display_data", {"image/png": dot}),
    ]
    page = runner.as_page(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=shown)]), "01_pictures")
    pictures = []
    reader = HTMLParser()
    reader.handle_starttag = lambda tag, attributes: pictures.append(dict(attributes)) if tag == "img" else None
    reader.feed(page)
    first, second = pictures
    assert first["alt"] == words and first["width"] == "30"
    assert "No description" in second["alt"], "a picture without words says so"
    assert page.count(dot) == 2 and "<title>01_pictures</title>" in page


def test_links_between_notebooks_lead_to_pages():
    words = "[next](02_next.ipynb), [part](02_next.ipynb#part), [far](https://a.org/x.ipynb) and `02_next.ipynb`"
    page = runner.as_page(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(words)]), "01_links")
    assert 'href="02_next.html"' in page and 'href="02_next.html#part"' in page and "<code>02_next.ipynb</code>" in page
    assert 'href="https://a.org/x.ipynb"' in page


def test_a_dead_kernel_and_a_slow_cell_are_reported(tmp_path):
    dead = write(tmp_path / "dead.ipynb", "x = 1", "import os; os._exit(1)", "print('never')")
    slow = write(tmp_path / "slow.ipynb", "import time; time.sleep(60)")
    results = runner.run_notebooks([dead, slow], tmp_path / "out", timeout=2)
    assert "code cell 2 of 3: import os" in results[0].error and "died" in results[0].error
    assert "code cell 1 of 1: import time" in results[1].error and "time limit" in results[1].error
    assert all(result.page.exists() for result in results)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["missing"], "does not exist"), (["."], "No notebook"), (["broken.ipynb"], "JSON")],
)
def test_nothing_to_run_is_said_in_a_sentence(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    if arguments == ["broken.ipynb"]:
        Path("broken.ipynb").write_text("{")
    assert runner.main([*arguments, "--out", "build"]) == 2
    assert words in capsys.readouterr().err


def test_an_unknown_profile_names_the_known_ones(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LATENTLAB_PROFILE", "fast")
    assert runner.main([str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "'quick' (embedded data) or 'full'" in capsys.readouterr().err


def test_disagreements_compare_with_the_ledger(monkeypatch):
    book = {"claims": {"A": {"verdict": "refuted"}, "B": {"verdict": "open"}}, "answers": {"C": {"answer": "7"}}}
    monkeypatch.setattr(pages, "ledger", lambda: book)
    found = [{"id": "A", "verdict": "confirmed"}, {"id": "B", "verdict": "confirmed"}, {"id": "C", "answer": "7"}]
    result = pages.Result("n", Path("n.html"), 90.0, found)
    assert result.disagreements == ["A"]
    assert result.summary() == "2 confirmed, 1 answered, NOT AS IN THE LEDGER: A"
    other = pages.Result(
        "m", Path("m.html"), 30.0, [{"id": "A", "verdict": "refuted"}, {"id": "C", "answer": "8"}], "broke"
    )
    assert pages.rows([result, other]) == [
        ["n", "1.5", "2", "0", "0", "0", "0", "1", "1", "0"],
        ["m", "0.5", "0", "1", "0", "0", "0", "1", "1", "1"],
        ["all", "2.0", "2", "1", "0", "0", "0", "2", "2", "1"],
    ]
