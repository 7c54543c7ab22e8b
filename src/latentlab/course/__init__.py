"""The course layer: what notebooks call. `setup` first, then `claim` and `answer`."""

from latentlab.plots import approx as measured

from .claims import answer, claim, ledger, verdicts
from .exercises import check
from .install import check_environment
from .overview import course_map, verdict_overview
from .predictions import outcome, predict
from .reference import load_reference, save_reference
from .render import table
from .setup import Course, setup

__all__ = [
    "Course", "answer", "check", "check_environment", "claim", "course_map", "ledger", "load_reference", "measured",
    "outcome", "predict", "save_reference", "setup", "table", "verdict_overview", "verdicts",
]  # fmt: skip
