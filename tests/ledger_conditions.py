"""Can a condition fail? By a notebook's syntax trees, it must depend on something the notebook computed.

This finds typed verdicts (True, 1 < 2, x == x, np.isclose(1, 1), a name bound to a constant). It cannot find every
condition that always holds; that is what reading the cell is for.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator, Mapping

BUILTINS = frozenset(dir(builtins))


def dict_values(node: ast.expr, word: str, bound: Mapping[str, list[ast.AST]]) -> Iterator[tuple[ast.expr, str]]:
    """The values of a dict written as a literal, a comprehension, or under a name bound to one of these."""
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            yield value, f"condition {ast.unparse(key)}" if key is not None else word
    elif isinstance(node, ast.DictComp):
        yield node.value, f"every condition of {word}"
    elif isinstance(node, ast.Name) and node.id in bound:
        for value in bound[node.id]:
            yield from [(value, word)] if isinstance(value, ast.Name) else dict_values(value, word, bound)
    else:
        yield node, word


def can_fail(node: ast.expr, known: set[str]) -> bool:
    """Whether a condition uses a computed name, in every operand of and/or, and is not x == x."""
    if isinstance(node, ast.BoolOp):
        return all(can_fail(value, known) for value in node.values)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return can_fail(node.operand, known)
    if isinstance(node, ast.Compare):
        sides = [ast.dump(side) for side in (node.left, *node.comparators)]
        if len(set(sides)) < len(sides):
            return False
    return bool(names(node) & known)


def computed_names(bound: Mapping[str, list[ast.AST]]) -> set[str]:
    """The names among `bound` whose value comes from latentlab, from a call, or from other computed names."""
    known = {name for name, values in bound.items() if not values}  # imported from latentlab
    grew = True
    while grew:
        more = {name for name, values in bound.items() if any(is_computed(value, known) for value in values)}
        grew, known = not more <= known, known | more
    return known


def is_computed(node: ast.AST, known: set[str]) -> bool:
    """A function with parameters, a call of something that is no builtin, or an expression of computed names."""
    if isinstance(node, ast.FunctionDef | ast.Lambda) and (node.args.args or node.args.posonlyargs):
        return True
    called = (inner.func for inner in ast.walk(node) if isinstance(inner, ast.Call))
    if any(not (isinstance(function, ast.Name) and function.id in BUILTINS) for function in called):
        return True
    return bool(names(node) & known)


def bindings(trees: Iterable[ast.AST]) -> dict[str, list[ast.AST]]:
    """Every name a notebook binds, with the expressions bound to it; a name imported from latentlab has none."""
    bound: dict[str, list[ast.AST]] = {}
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                bind(target, node.value, bound)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value is not None:
            bind(node.target, node.value, bound)
        elif isinstance(node, ast.For | ast.comprehension):
            bind(node.target, node.iter, bound)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            bind(node.optional_vars, node.context_expr, bound)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "latentlab":
            bound.update({alias.asname or alias.name: [] for alias in node.names})
        elif isinstance(node, ast.Import):
            bound.update(
                {alias.asname or "latentlab": [] for alias in node.names if alias.name.split(".")[0] == "latentlab"}
            )
    return bound


def bind(target: ast.expr, value: ast.expr, bound: dict[str, list[ast.AST]]) -> None:
    """Note `value` under every name in `target`; a, b = x, y goes pair by pair, d[key] = x counts for d."""
    if isinstance(target, ast.Tuple | ast.List):
        pairwise = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts)
        for i, part in enumerate(target.elts):
            bind(part, value.elts[i] if pairwise else value, bound)
    elif isinstance(target, ast.Name):
        bound.setdefault(target.id, []).append(value)
    elif isinstance(target, ast.Subscript | ast.Starred | ast.Attribute):
        bind(target.value, value, bound)


def names(node: ast.AST) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
