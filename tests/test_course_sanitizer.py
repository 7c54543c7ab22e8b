"""The nbval sanitizer overlooks measured numbers alone, in strings, on real cards, and in a strict nbval run."""

import re
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook
from nbval.plugin import get_sanitize_patterns

from latentlab import course
from latentlab.course import render

SANITIZER = Path(__file__).with_name("nbval_sanitize.cfg")


def sanitized(text):
    for pattern, replacement in get_sanitize_patterns(SANITIZER.read_text(encoding="utf-8")):
        text = re.sub(pattern, replacement, text)
    return text


SAME = [
    ("probe ≈ 86.2 % confirmed", "probe ≈ 9.13 % confirmed"),
    ("≈ 86.2 %", "≈ −86 %"),
    ("≈ 1,234 images", "≈ 987 images"),
    ("≈ 12\u202f345 images", "≈ 2\u202f345 images"),
    ("≈ 1e-05", "≈ 3.2E+4"),
    ("≈ 3.1 × 10⁻⁵ per step", "≈ 2 × 10^-4 per step"),
    ("≈ .5", "≈ -0.25"),
    ("≈ 86.", "≈ 9."),
    ("≈86.2%", "≈9.1%"),
    ("≈\u00a086.2\u00a0%", "≈\u00a09.1\u00a0%"),
    ("≈ 86.2 % ± 0.4 % of 3 seeds", "≈ 9.2 % ± 10.4 % of 3 seeds"),
    ("≈ 86.2 ± 0.4 %", "≈ 9.2 ± 1 %"),
    ("≈ 12.1 s ± 3 s", "≈ 9 s ± 0.4 s"),
    ("≈ 86.2 % (85.1 … 87.0) on test", "≈ 9.2 % (5 … 17.12) on test"),
    ("≈ 86.2 % [85.1 %, 87.0 %]", "≈ 9.2 % [5.0 %, 17.0 %]"),
    ("≈ 0.91 (0.90–0.93)", "≈ 0.1 (0.05–0.93)"),
    ("≈ 86.2 ± 0.4 % (85.1 to 87.0)", "≈ 9.2 ± 1.4 % (8 to 10.5)"),
    ("<td>≈ 86.2 %</td><td>ok</td>", "<td>≈ 9.2 %</td><td>ok</td>"),
    ("<td>&asymp; 86.2 %</td>", "<td>&#8776; 9.2 %</td>"),
    ("a   ≈ 86.2 %  | ≈ 5  | ok", "a  ≈ 100.25 % |  ≈ 15 | ok"),
    ("latentlab · profile quick · device cpu · seed 0", "latentlab · profile quick · device cuda · seed 0"),
]
DIFFERENT = [
    ("probe ≈ 86.2 % confirmed", "probe ≈ 86.2 % refuted"),
    ("≈ 86.2 % (confirmed)", "≈ 86.2 % (refuted)"),
    ("≈ 86.2 %; 3 of 5 hold", "≈ 86.2 %; 4 of 5 hold"),
    ("≈ 86.2 % of 1000 images", "≈ 86.2 % of 2000 images"),
    ("≈ 86.2 %", "≈ 86.2"),
    ("≈ 86.2 %", "86.2 %"),
    ("≈ 86.2 s", "≈ 86.2 ms"),
    ("≈ 86.2 %", "≈ nan %"),
    ("≈ 86.2", "≈ inf"),
    ("≈ 3.1 ± 0.1", "≈ 3.1"),
    ("≈ 3.1 (2.9 … 3.3)", "≈ 3.1"),
    ("≈ 3.1 (n = 5)", "≈ 3.1 (n = 6)"),
    ("≈ 3.1 (5 seeds)", "≈ 3.1 (6 seeds)"),
    ("≈ 3.1, 4", "≈ 3.1, 5"),
    ("≈ 3.1\n5", "≈ 3.1\n6"),
    ("72.42 % ≈ 86.2 %", "72.43 % ≈ 86.2 %"),
    ("<td>≈ 86.2 %</td><td>confirmed</td>", "<td>≈ 86.2 %</td><td>refuted</td>"),
    ("V-Q3.1 ≈ 86.2 %", "V-Q3.2 ≈ 86.2 %"),
    ("latentlab · profile quick · device cpu · seed 0", "latentlab · profile full · device cpu · seed 0"),
    ("latentlab · profile quick · device cpu · seed 0", "latentlab · profile quick · device cpu · seed 1"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_sanitizer_overlooks_measured_numbers(one, other):
    assert sanitized(one) == sanitized(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_sanitizer_overlooks_nothing_else(one, other):
    assert sanitized(one) != sanitized(other)


def test_sanitizer_keeps_every_verdict_beside_a_measured_number(monkeypatch):
    """On text and HTML of a real card: other numbers compare equal, another verdict or mark does not."""

    shown = []
    monkeypatch.setattr(render, "show", lambda text, html, facts: shown.append(text + html))

    def card(loss, **evidence):
        course.claim("V-Q2.1", **evidence, see={"loss": f"≈ {loss} %", "again": f"≈ {loss} ± 0.1"})
        return sanitized(shown[-1])

    assert card(86.2, parts={"a": True}) == card(-9, parts={"a": True})
    assert card(86.2, parts={"a": True}) != card(86.2, parts={"a": False})
    assert card(86.2, cases={"a": True, "b": False}) != card(86.2, cases={"a": False, "b": True})


def test_a_notebook_shows_and_nbval_compares(tmp_path):
    """A kernel run leaves text, HTML and the verdict; strict nbval passes if only measured numbers differ."""
    cells = [
        new_code_cell(
            "from latentlab.course import answer, claim, setup\nimport random\ncourse = setup()\nx = random.random()"
        ),
        new_code_cell('claim("V-Q2.1", parts={"it is small": x < 2}, see={"x": f"≈ {x:.{random.randint(1, 9)}f}"})'),
        new_code_cell('answer("V-Q1", 1 + int(x))'),
        new_code_cell("float(x < 2)"),
    ]
    notebook = new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=60).execute()
    shown = [cell.outputs for cell in notebook.cells]
    assert [len(outputs) for outputs in shown] == [1, 1, 1, 1]
    assert shown[0][0].text == f"latentlab · profile quick · device {setup_device()} · seed 0\n"
    assert shown[1][0].metadata["latentlab"] == [{"kind": "claim", "id": "V-Q2.1", "verdict": "confirmed"}]
    assert set(shown[1][0].data) == {"text/plain", "text/html"}
    assert shown[2][0].metadata["latentlab"] == [{"kind": "answer", "id": "V-Q1", "answer": "1"}]
    nbformat.write(notebook, tmp_path / "good.ipynb")
    html = shown[1][0].data["text/html"]
    shown[1][0].data["text/html"] = html.replace("confirmed", "refuted")
    assert shown[1][0].data["text/html"] != html
    nbformat.write(notebook, tmp_path / "bad.ipynb")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval",
        "--nbval-current-env",
        "--nbval-sanitize-with",
        str(SANITIZER),
    ]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-q", str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert "1 failed, 7 passed" in done.stdout, done.stdout
    assert "bad.ipynb" in done.stdout and "mismatch 'text/html'" in done.stdout


def setup_device():
    return "cuda" if torch.cuda.is_available() else "cpu"
