"""Do the notebooks earn the ledger? One cell per entry, conditions that can fail, outputs that agree."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager

from latentlab.course import ledger
from latentlab.course.claims import VERDICTS
from latentlab.course.render import OPEN
from latentlab.data import repository
from latentlab.publish.page import facts
from ledger_conditions import bindings, can_fail, computed_names, dict_values

TABLES = {"claim": ("claims", "verdict"), "answer": ("answers", "answer")}


@dataclass(frozen=True)
class Call:
    """One claim(...) or answer(...) in a notebook, with what its cell's stored outputs say about it."""

    notebook: str
    cell: int  # the code cell's number, from 1
    kind: str  # "claim" or "answer"
    id: str | None  # None if it is not written as a plain string
    node: ast.Call
    run: bool
    result: str | None  # the stored verdict or answer; None if the outputs hold none

    @property
    def place(self) -> str:
        return f"{self.notebook}, code cell {self.cell}"


def notebook_files(folder: str | Path | None = None) -> dict[str, Path]:
    """The notebooks of `folder` (default: the repository's notebooks/) by name, in order."""
    folder = Path(folder) if folder is not None else repository() / "notebooks"
    return {path.stem: path for path in sorted(folder.glob("*.ipynb"))}


def problems(folder: str | Path | None = None, book: Mapping[str, Any] | None = None) -> list[str]:
    """What is wrong between the notebooks in `folder` and the ledger, one sentence each; empty if all is well.

    Every entry whose notebook exists needs exactly one cell there, run, able to fail, with the ledger's verdict.
    """
    book, files = book or ledger(), notebook_files(folder)
    found = list(ledger_problems(book, files))
    calls: dict[tuple[str, str], list[Call]] = {}
    for path in files.values():
        trees = code_trees(path)
        bound = bindings(tree for tree, _ in trees)
        known = computed_names(bound)
        for call in notebook_calls(path.stem, trees):
            calls.setdefault((call.kind, str(call.id)), []).append(call)
            found += [f"{call.place}: {fault}" for fault in call_problems(call, known, bound, book)]
        found += stale_outputs(path.stem, trees)
    for kind, (table, _) in TABLES.items():
        for id, entry in book[table].items():
            cells = calls.get((kind, id), [])
            if entry["notebook"] in files and not cells:
                found.append(f"{entry['notebook']}: {id} has no {kind}() cell.")
            if len(cells) > 1:
                found.append(
                    f"{id} has {len(cells)} cells ({'; '.join(call.place for call in cells)}); it needs exactly one."
                )
    return found


def uncovered(folder: str | Path | None = None, book: Mapping[str, Any] | None = None) -> list[str]:
    """Ids of the ledger that no notebook in `folder` has a cell for, in the ledger's order."""
    book, covered = book or ledger(), set()
    for path in notebook_files(folder).values():
        covered |= {(call.kind, call.id) for call in notebook_calls(path.stem, code_trees(path))}
    return [id for kind, (table, _) in TABLES.items() for id in book[table] if (kind, id) not in covered]


def ledger_problems(book: Mapping[str, Any], files: Mapping[str, Path]) -> Iterator[str]:
    """An entry is open exactly as long as its notebook does not exist; a verdict is one of four words."""
    for table, field in TABLES.values():
        for id, entry in book[table].items():
            if entry["notebook"] in files and entry[field] == OPEN:
                yield f"{id} is open in the ledger although {entry['notebook']} exists."
            if entry["notebook"] not in files and entry[field] != OPEN:
                yield f"{id} is {entry[field]!r} in the ledger, but {entry['notebook']} does not exist to earn it."
            if field == "verdict" and entry[field] not in (*VERDICTS, OPEN):
                yield f"{id}: {entry[field]!r} is no verdict; it must be one of {', '.join(VERDICTS)} or {OPEN}."


def call_problems(
    call: Call, known: set[str], bound: Mapping[str, list[ast.AST]], book: Mapping[str, Any]
) -> Iterator[str]:
    """What is wrong with one claim or answer cell."""
    table, field = TABLES[call.kind]
    if call.id is None:
        yield f"the id of {call.kind}() must be a plain string."
        return
    entry = book[table].get(call.id)
    if entry is None:
        yield f"{call.id} is not among the ledger's {table}."
        return
    if entry["notebook"] != call.notebook:
        yield f"{call.id} belongs in {entry['notebook']}."
    for expression, name in tested(call, bound):
        if not can_fail(expression, known):
            yield f"{call.id}: {name} cannot fail: it does not depend on anything computed ({ast.unparse(expression)})."
    if not call.run:
        yield f"{call.id}: the cell was never run."
    elif call.result is None:
        yield f"{call.id}: the cell's outputs hold no {field}."
    elif call.result != entry[field]:
        yield f"{call.id}: computed {call.result!r}, but the ledger says {entry[field]!r}."


def tested(call: Call, bound: Mapping[str, list[ast.AST]]) -> Iterator[tuple[ast.expr, str]]:
    """The expressions a verdict or an answer rests on, each with words for it."""
    if call.kind == "answer":
        value = argument(call.node, 1, "value")
        yield value if value is not None else ast.Constant(None), "the answer"
        return
    for position, word in ((1, "parts"), (2, "cases")):
        conditions = argument(call.node, position, word)
        if conditions is not None:
            yield from dict_values(conditions, word, bound)


def stale_outputs(name: str, trees: Iterable[tuple[ast.Module, Any]]) -> Iterator[str]:
    """Verdicts that stand in a cell's outputs although its source no longer asks for them."""
    for number, (tree, cell) in enumerate(trees, 1):
        asked = {id for _, id, _ in course_calls(tree)}
        for id in (fact["id"] for fact in facts(cell)):
            if id not in asked:
                yield f"{name}, code cell {number}: the outputs show {id}, the source does not. Run the notebook again."


# ---- reading a notebook ----


def code_trees(path: Path) -> list[tuple[ast.Module, Any]]:
    """Every code cell's syntax tree with the cell itself. Raises ValueError if a cell is not Python."""
    import nbformat

    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    trees = []
    for number, cell in enumerate(cells, 1):
        try:
            trees.append((ast.parse(TransformerManager().transform_cell(cell.source)), cell))
        except SyntaxError as error:
            raise ValueError(f"{path.name}, code cell {number} is not Python: {error}") from error
    return trees


def notebook_calls(name: str, trees: Iterable[tuple[ast.Module, Any]]) -> list[Call]:
    """All claim and answer calls of a notebook, in order."""
    calls = []
    for number, (tree, cell) in enumerate(trees, 1):
        results = {(fact["kind"], fact["id"]): fact[TABLES[fact["kind"]][1]] for fact in facts(cell)}
        for kind, id, node in course_calls(tree):
            calls.append(Call(name, number, kind, id, node, cell.execution_count is not None, results.get((kind, id))))
    return calls


def course_calls(tree: ast.AST) -> Iterator[tuple[str, str | None, ast.Call]]:
    """(kind, id, node) of every claim(...) and answer(...) below `tree`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in TABLES:
                id = argument(node, 0, "id")
                plain = isinstance(id, ast.Constant) and isinstance(id.value, str)
                yield name, id.value if plain else None, node


def argument(node: ast.Call, position: int, name: str) -> ast.expr | None:
    """A call's argument by position or by name."""
    if len(node.args) > position:
        return node.args[position]
    return next((keyword.value for keyword in node.keywords if keyword.arg == name), None)
