"""The course at a glance, for the first notebook: which notebooks are there, what did they find."""

from collections.abc import Iterator

from . import render
from .claims import VERDICTS, ledger


def course_map() -> list[list[str]]:
    """Show how many claims and further questions each notebook of the ledger has; return the rows."""
    rows = [[notebook, str(len(claims)), str(len(answers))] for notebook, claims, answers in _by_notebook()]
    header = ["notebook", "claims", "further questions"]
    render.show(render.table_text(header, rows), render.table_html(header, rows))
    return rows


def verdict_overview() -> list[list[str]]:
    """Show which claims of the finished notebooks are confirmed, refuted, …, as the ledger has it; return the rows.

    A test compares the ledger with what the notebooks compute.
    """
    rows, counts = [], dict.fromkeys(VERDICTS, 0)
    for notebook, claims, _ in _by_notebook():
        found = {verdict: [id for id, given in claims.items() if given == verdict] for verdict in VERDICTS}
        counts = {verdict: counts[verdict] + len(ids) for verdict, ids in found.items()}
        if any(found.values()):
            rows.append([notebook, *(f"{len(ids)} ({', '.join(ids)})" if ids else "0" for ids in found.values())])
    caption = "Claims tested so far: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    render.table(["notebook", *VERDICTS], rows, caption)
    return rows


def _by_notebook() -> Iterator[tuple[str, dict[str, str], dict[str, str]]]:
    """Notebook, its claims {id: verdict}, its further questions {id: answer}; in order."""
    claims, answers = ledger()["claims"], ledger()["answers"]
    for notebook in sorted({entry["notebook"] for entry in (*claims.values(), *answers.values())}):
        yield (
            notebook,
            {id: entry["verdict"] for id, entry in claims.items() if entry["notebook"] == notebook},
            {id: entry["answer"] for id, entry in answers.items() if entry["notebook"] == notebook},
        )
