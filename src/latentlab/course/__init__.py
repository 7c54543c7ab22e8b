"""The course layer: what notebooks call. `setup` first, then `claim` and `answer`."""

from .checks import uncovered, verdict_table
from .claims import answer, claim, ledger
from .exercises import check
from .reference import comparison, load_reference, measured, save_reference
from .render import table
from .setup import Course, setup

__all__ = [
    "Course",
    "answer",
    "check",
    "claim",
    "comparison",
    "ledger",
    "load_reference",
    "measured",
    "save_reference",
    "setup",
    "table",
    "uncovered",
    "verdict_table",
]
