"""A student's first minutes in a real browser: JupyterLab, run all, one exercise solved, the check turns right."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest

pytest.importorskip("websocket")

from browser import CHROMIUM, Browser  # noqa: E402, I001
from latentlab.data import repository  # noqa: E402

HAVE = CHROMIUM is not None and shutil.which("jupyter-lab", path=os.path.dirname(sys.executable)) is not None
pytestmark = pytest.mark.skipif(
    not HAVE, reason="NO BROWSER OR NO JUPYTERLAB: A STUDENT'S FIRST MINUTES ARE NOT TESTED."
)
CELLS = "jupyterapp.shell.currentWidget.content.widgets"


@pytest.fixture
def lab(tmp_path):
    """JupyterLab on the student version of notebook 06, as far as its first exercise; gives the address."""
    notebooks = repository() / "notebooks"
    student = nbformat.read(notebooks / "student" / "06_contrastive_theory.ipynb", as_version=4)
    last = next(i for i, c in enumerate(student.cells) if c.metadata.get("nbgrader", {}).get("grade_id") == "C-2-check")
    student.cells = student.cells[: last + 1]
    student.cells = [
        c for c in student.cells if c.cell_type == "code" and re.search(r"^import|C-2|contrastive", c.source)
    ]
    nbformat.write(student, tmp_path / "work.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *[sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"],
        *["--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None", str(tmp_path)],
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        until(lambda: answers(f"{address}/api"), "JupyterLab does not start")
        yield f"{address}/lab/tree/work.ipynb?reset"
    finally:
        process.terminate()
        process.wait()


def answers(url):
    try:
        return json.load(urllib.request.urlopen(url, timeout=2))
    except OSError:
        return None


def until(condition, problem, seconds=90):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, problem
        time.sleep(0.3)
    return found


def test_a_student_runs_all_solves_one_exercise_and_sees_the_check_turn_right(lab):
    with Browser() as browser:
        browser.call("Page.navigate", url=lab)
        ready = (
            "window.jupyterapp?.shell?.currentWidget?.context?.isReady && jupyterapp.shell.currentWidget.sessionContext"
        )
        until(lambda: browser.js(f"({ready})?.session?.kernel?.status === 'idle'"), "the notebook does not open")

        def shown():
            browser.js("jupyterapp.commands.execute('notebook:run-all-cells')")
            return browser.js(f"{CELLS}.map(c => c.outputArea?.node.textContent ?? '')")

        before = shown()
        assert "Exercise C-2: not yet" in before[-1]
        gap = browser.js(f"{CELLS}.map(c => c.model.sharedModel.source)")
        (exercise,) = [i for i, source in enumerate(gap) if source.startswith("def contrastive")]
        solved = 'def contrastive(x, y):\n    """Mine."""\n    return F.cross_entropy(x @ y.T, torch.arange(len(x)))'
        browser.js(f"{CELLS}[{exercise}].model.sharedModel.setSource({json.dumps(solved)})")
        assert "Exercise C-2: right" in shown()[-1]
