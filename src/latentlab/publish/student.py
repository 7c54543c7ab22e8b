"""Student versions of the notebooks: `python -m latentlab.publish.student notebooks --out notebooks/student`."""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from latentlab.training import write_atomically

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
GAP = {"markdown": "*Your answer here.*"}
GAP["code"] = 'raise NotImplementedError("your code here: replace this line, run this cell, then the check below it")'
SOLUTION = re.compile(rf"(?ms)^([ \t]*){BEGIN}[ \t]*$(?:(?!{BEGIN}).)*?^[ \t]*{END}[ \t]*$")
COLAB = "https://colab.research.google.com"
BADGES = (
    f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({COLAB}/github/{{0}}/blob/HEAD/{{1}}) · "
    "[Kaggle](https://kaggle.com/kernels/welcome?src=https://github.com/{0}/blob/HEAD/{1}) · "
    "[Binder](https://mybinder.org/v2/gh/{0}/HEAD?labpath={1})"
)
FETCH = """# Colab and Kaggle: fetch the course, beside the torch that is there. Where it is installed, nothing happens.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("latentlab") is None:
    subprocess.run(["git", "clone", "--depth", "1", "https://github.com/{0}.git", "course"], check=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "-e", "course"], check=True)
    sys.path.insert(0, "course/src")
    from latentlab.course.install import install_missing

    install_missing()"""


def student_version(notebook: NotebookNode, name: str = "", repository: str = "") -> NotebookNode:
    """A copy with gaps for solutions, no guesses and no outputs. Raises ValueError for a solution that is not ended.

    With `repository` ("owner/name") two cells come first: links that open notebook `name` elsewhere, and what it needs.
    """
    made = nbformat.from_dict(notebook)
    for cell in made.cells:
        cell.source = without_solution(cell.source, GAP.get(cell.cell_type, ""))
        if cell.cell_type == "code":
            cell.source = without_guesses(cell.source)
            cell.outputs, cell.execution_count = [], None
    if repository:
        links = new_markdown_cell(BADGES.format(repository, f"notebooks/student/{name}.ipynb"), id="open-elsewhere")
        made.cells[:0] = [links, new_code_cell(FETCH.format(repository), id="fetch-the-course")]
    return made


def without_solution(source: str, gap: str) -> str:
    """`source` with `gap` for each solution, at its indentation. Raises ValueError for a mark without its partner."""
    made = SOLUTION.sub(lambda match: match[1] + gap, source)
    if left := re.search(rf"(?m)^\s*({BEGIN}|{END})\s*$", made):
        raise ValueError(f"{left[1]!r} has no partner in the cell that begins {source.splitlines()[0]!r}.")
    return made


def without_guesses(source: str) -> str:
    """`source` with yours=None in every call of predict."""
    if "yours=" not in source:
        return source
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    words = (word for call in calls if ast.unparse(call.func) == "predict" for word in call.keywords)
    guesses = [word.value for word in words if word.arg == "yours"]
    lines = source.encode().splitlines(keepends=True)  # ast counts bytes
    for guess in sorted(guesses, key=lambda g: (g.lineno, g.col_offset), reverse=True):
        before, after = lines[guess.lineno - 1][: guess.col_offset], lines[guess.end_lineno - 1][guess.end_col_offset :]
        lines[guess.lineno - 1 : guess.end_lineno] = [before + b"None" + after]
    return b"".join(lines).decode()


def make(source: str | Path, out: str | Path, repository: str = "") -> list[Path]:
    """Write the student version of every notebook in `source` to `out`; one that is no longer made is removed."""
    made = {Path(out, path.name): path for path in sorted(Path(source).glob("*.ipynb"))}
    if not made:
        raise ValueError(f"No notebook (*.ipynb) in {source}.")
    for target, path in made.items():
        notebook = student_version(nbformat.read(path, as_version=4), path.stem, repository)
        write_atomically(target, (nbformat.writes(notebook) + "\n").encode())
    for left in set(Path(out).glob("*.ipynb")) - made.keys():
        left.unlink()
    return list(made)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m latentlab.publish.student", description=__doc__)
    parser.add_argument("source", nargs="?", default="notebooks", help="folder of the notebooks (default: notebooks)")
    parser.add_argument("--out", default="notebooks/student", help="folder to write to (default: notebooks/student)")
    parser.add_argument("--repository", default="", metavar="OWNER/NAME", help="adds a Colab badge and a set-up cell")
    given = parser.parse_args(arguments)
    try:
        if given.repository and not re.fullmatch(r"[\w.-]+/[\w.-]+", given.repository):
            raise ValueError(f"The repository is {given.repository!r}; expected owner/name, as on GitHub.")
        print(f"{given.out}: {len(make(given.source, given.out, given.repository))} notebooks")
    except (ValueError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
