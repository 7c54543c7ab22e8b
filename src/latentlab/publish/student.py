"""Student versions, made from the notebooks: `python -m latentlab.publish.student notebooks --out notebooks/student`."""

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
GAP = {
    "code": 'raise NotImplementedError("your code here: replace this line, run this cell, then the check below it")',
    "markdown": "*Your answer here.*",
}
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
    """A copy with gaps for solutions, no guesses and no outputs; nbgrader's marks stay.

    With `repository` ("owner/name") two cells come first: links that open notebook `name` in Colab, Kaggle and Binder, and one
    that fetches the course there. Raises ValueError for a solution that is not ended or guesses that cannot be found.
    """
    made = nbformat.from_dict(notebook)
    for cell in made.cells:
        cell.source = without_solution(cell.source, GAP.get(cell.cell_type, ""))
        if cell.cell_type == "code":
            cell.source = without_guesses(cell.source)
            cell.outputs, cell.execution_count = [], None
    if repository:
        address = f"notebooks/student/{name}.ipynb"
        made.cells[:0] = [
            new_markdown_cell(BADGES.format(repository, address), id="open-elsewhere"),
            new_code_cell(FETCH.format(repository), id="fetch-the-course"),
        ]
    return made


def without_solution(source: str, gap: str) -> str:
    """`source` with `gap` in place of each solution, at its indentation. Raises ValueError for a mark without its partner."""
    lines: list[str] = []
    inside = False
    for line in source.split("\n"):
        mark = line.strip()
        if mark in (BEGIN, END):
            if inside == (mark == BEGIN):
                raise ValueError(f"{mark!r} has no partner in the cell that begins {source.splitlines()[0]!r}.")
            inside = mark == BEGIN
            lines += [line[: line.index("#")] + gap] if inside else []
        elif not inside:
            lines.append(line)
    if inside:
        raise ValueError(f"{BEGIN!r} has no partner in the cell that begins {source.splitlines()[0]!r}.")
    return "\n".join(lines)


def without_guesses(source: str) -> str:
    """`source` with yours=None in every call of predict."""
    if "yours=" not in source:
        return source
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and ast.unparse(node.func) == "predict")
    guesses = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "yours"]
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    text = source.encode()  # ast counts bytes
    for guess in sorted(guesses, key=lambda g: (g.lineno, g.col_offset), reverse=True):
        first, last = starts[guess.lineno - 1] + guess.col_offset, starts[guess.end_lineno - 1] + guess.end_col_offset
        text = text[:first] + b"None" + text[last:]
    return text.decode()


def make(source: str | Path, out: str | Path, repository: str = "") -> list[Path]:
    """Write the student version of every notebook in `source` to `out`; one that is no longer made is removed."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    made = []
    for path in sorted(Path(source).glob("*.ipynb")):
        notebook = student_version(nbformat.read(path, as_version=4), path.stem, repository)
        write_atomically(out / path.name, (nbformat.writes(notebook) + "\n").encode())
        made.append(out / path.name)
    if not made:
        raise ValueError(f"No notebook (*.ipynb) in {source}.")
    for left in set(out.glob("*.ipynb")) - set(made):
        left.unlink()
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m latentlab.publish.student", description=__doc__)
    parser.add_argument("source", nargs="?", default="notebooks", help="folder of the notebooks (default: notebooks)")
    parser.add_argument("--out", default="notebooks/student", help="folder to write to (default: notebooks/student)")
    parser.add_argument("--repository", default="", metavar="OWNER/NAME", help="on GitHub: adds a Colab badge and a set-up cell")
    given = parser.parse_args(arguments)
    try:
        if given.repository and not re.fullmatch(r"[\w.-]+/[\w.-]+", given.repository):
            raise ValueError(f"The repository is {given.repository!r}; expected owner/name, as in its address on GitHub.")
        print(f"{given.out}: {len(make(given.source, given.out, given.repository))} notebooks")
    except (ValueError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
