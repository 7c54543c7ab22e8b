"""Which bar decides which claim, and which numbers stand in the conditions themselves: docs/bars.md, by `make bars`.

Read from the syntax trees: from a claim's conditions back through the names they use, each as the last cell bound it,
and through the package's conditions. A bar counts where `bar["its name"]` stands, or `above`/`below` with its name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from latentlab.data import repository
from latentlab.evaluation.bars import BARS
from ledger_conditions import bindings
from ledger_linter import argument, code_trees, course_calls, notebook_files

PACKAGE = ("evaluation/conditions", "recipes/vicreg/lesson")  # their functions are conditions, with their bars
LIST = repository() / "docs" / "bars.md"
ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
Place = tuple[int, list[ast.AST]]


class Notebook:
    """The names of a notebook, cell by cell, and those of the package that it imports."""

    def __init__(self, path: Path):
        self.trees = [tree for tree, _ in code_trees(path)]
        self.cells = [bindings([tree]) for tree in self.trees]
        self.modules = {}  # name in the notebook -> names of a module of PACKAGE
        for node in (node for tree in self.trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)):
            for alias in node.names:
                place = f"{(node.module or '').removeprefix('latentlab.').replace('.', '/')}/{alias.name}"
                if place in PACKAGE:
                    self.modules[alias.asname or alias.name] = package(place)

    def calls(self) -> Iterator[tuple[str, int, list[ast.AST]]]:
        """(id, number of the cell, what its verdict rests on) of every claim and answer."""
        for number, tree in enumerate(self.trees):
            for kind, id, node in course_calls(tree):
                given = (("parts", 1), ("cases", 2)) if kind == "claim" else (("value", 1),)
                found = [argument(node, position, name) for name, position in given]
                yield str(id), number, [one for one in found if one is not None]

    def last(self, name: str, number: int) -> Place:
        """The last cell up to `number` that binds a name, and what it binds to it."""
        for at in range(number, -1, -1):
            if self.cells[at].get(name):
                return at, self.cells[at][name]
        return -1, []

    def bars(self, nodes: list[ast.AST], number: int, seen: set | None = None) -> set[str]:
        """The bars on which these expressions of a cell depend."""
        seen, found = set() if seen is None else seen, set()
        for node in (inner for one in nodes for inner in ast.walk(one)):
            found |= named(node)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in self.modules:
                found |= package_bars(node.attr, self.modules[node.value.id])
            elif isinstance(node, ast.Name) and (node.id, number) not in seen:
                seen.add((node.id, number))
                at, values = self.last(node.id, number)
                found |= self.bars(values, at, seen)
        return found

    def bare(self, nodes: list[ast.AST], number: int, seen: set | None = None) -> list[str]:
        """Comparisons with a number, and `by` a number, in these conditions and the conditions whose names they use."""
        seen, found = set() if seen is None else seen, []
        for node in (inner for one in nodes for inner in ast.walk(one)):
            if isinstance(node, ast.Compare) and any(isinstance(op, ORDER) for op in node.ops):
                found += [ast.unparse(node)] if any(map(number_in, (node.left, *node.comparators))) else []
            elif isinstance(node, ast.Call) and called(node) in ("ahead", "lower"):
                by = argument(node, {"ahead": 2, "lower": 4}[called(node)], "by")
                against = called(node) == "ahead" and any(map(number_in, node.args[:2]))
                found += [ast.unparse(node)] if against or (by is not None and number_in(by)) else []
            elif isinstance(node, ast.Name) and (node.id, number) not in seen:
                seen.add((node.id, number))
                at, values = self.last(node.id, number)
                found += self.bare([value for one in values for value in conditions(one)], at, seen)
        return list(dict.fromkeys(found))


def conditions(node: ast.AST) -> list[ast.AST]:
    """The node if it is a condition or a dict of some; of a function, what it returns if that is one."""
    if isinstance(node, ast.FunctionDef):
        values = [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return) and inner.value is not None]
        return [part for value in values for part in conditions(value)]
    if isinstance(node, ast.Dict):
        return [part for value in node.values for part in conditions(value)]
    if isinstance(node, ast.DictComp):
        return conditions(node.value)
    if isinstance(node, ast.Call):
        return [node if called(node) in ("bool", "all", "any", "ahead", "lower") else node.func]
    fits = isinstance(node, ast.Compare | ast.BoolOp | ast.IfExp | ast.Name)
    return [node] if fits or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)) else []


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def number_in(node: ast.AST) -> bool:
    """Whether a side of a comparison holds a number, outside of subscripts and most calls; 0 and 1 − x are none."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and not isinstance(node.value, bool) and node.value != 0
    if isinstance(node, ast.UnaryOp):
        return number_in(node.operand)
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.Sub) and getattr(node.left, "value", None) == 1:
            return number_in(node.right)
        return number_in(node.left) or number_in(node.right)
    if isinstance(node, ast.List):
        return any(map(number_in, node.elts))
    return isinstance(node, ast.Call) and called(node) in ("log", "sqrt") and any(map(number_in, node.args))


def named(node: ast.AST) -> set[str]:
    """The bar that a node names, if it is `bar["name"]`, `above("name")` or `below("name")`."""
    if isinstance(node, ast.Subscript) and getattr(node.value, "id", "") == "bar":
        names = [node.slice]
    elif isinstance(node, ast.Call) and called(node) in ("above", "below"):
        names = node.args
    else:
        return set()
    return {name.value for name in names if isinstance(name, ast.Constant) and isinstance(name.value, str)}


def package(place: str) -> dict[str, list[ast.AST]]:
    """The names of a module of the package and what they are bound to, with those of a module of PACKAGE it imports."""
    tree, found = ast.parse((repository() / "src" / "latentlab" / f"{place}.py").read_text(encoding="utf-8")), {}
    for node in (node for node in tree.body if isinstance(node, ast.ImportFrom)):
        other = (node.module or "").removeprefix("latentlab.").replace(".", "/")
        found |= package(other) if other in PACKAGE else {}
    return found | bindings(node for node in tree.body if not isinstance(node, ast.ImportFrom))


def package_bars(name: str, known: dict[str, list[ast.AST]], seen: frozenset[str] = frozenset()) -> set[str]:
    """The bars of a function or a constant of the package."""
    found: set[str] = set()
    for node in (inner for value in known.get(name, ()) for inner in ast.walk(value)):
        found |= named(node)
        if isinstance(node, ast.Name) and node.id in known and node.id not in seen | {name}:
            found |= package_bars(node.id, known, seen | {name})
    return found


@cache
def used() -> tuple[dict[str, list[str]], dict[str, dict[str, list[str]]]]:
    """Of every bar the claims and answers that use it; of every notebook the comparisons with numbers, by claim."""
    claims: dict[str, list[str]] = {name: [] for name in BARS}
    numbers: dict[str, dict[str, list[str]]] = {}
    for stem, path in notebook_files().items():
        notebook = Notebook(path)
        for id, number, nodes in notebook.calls():
            for name in notebook.bars(nodes, number):
                claims[name].append(id)
            if bare := notebook.bare(nodes, number):
                numbers.setdefault(stem, {})[id] = bare
    return claims, numbers


def text() -> str:
    """docs/bars.md."""
    claims, numbers = used()
    lines = [
        "# The bars of the course",
        "",
        "Written by `make bars` from `latentlab.evaluation.bars` and the notebooks.",
        "",
    ]
    rows = [(name, f"{bar.threshold:.3g}", bar.reason, ", ".join(claims[name])) for name, bar in BARS.items()]
    lines += table(("property", "threshold", "unit and reason", "claims and answers"), rows)
    lines += ["", "## Numbers that stand in a condition", ""]
    lines += [
        "Found by their form: a comparison with a number, or `by` a number. Tolerances of exact results are among them."
    ]
    for stem, found in numbers.items():
        rows = [(id, "; ".join(f"`{one}`" for one in bare)) for id, bare in found.items()]
        lines += ["", f"### {stem}", "", *table(("claim", "condition"), rows)]
    return "\n".join(lines) + "\n"


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """The lines of a table in markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


if __name__ == "__main__":
    LIST.write_text(text(), encoding="utf-8")
    print(f"{len(BARS)} bars in {LIST.relative_to(repository())}")
