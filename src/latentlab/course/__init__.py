"""The course layer: what notebooks call. `setup` first, then `claim` and `answer`."""

from .claims import answer, claim, ledger, verdicts
from .exercises import check
from .overview import check_environment, course_map, verdict_overview
from .predictions import outcome, predict
from .reference import comparison, load_reference, measured, save_reference
from .render import table
from .setup import Course, setup

__all__ = [
    "Course",
    "answer",
    "check",
    "check_environment",
    "claim",
    "comparison",
    "course_map",
    "ledger",
    "load_reference",
    "measured",
    "outcome",
    "predict",
    "save_reference",
    "setup",
    "table",
    "verdict_overview",
    "verdicts",
]
