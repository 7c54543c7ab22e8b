"""The course layer: what notebooks call. `setup` first, then `claim` and `answer`."""

from .claims import answer, claim, ledger
from .setup import Course, setup

__all__ = ["Course", "answer", "claim", "ledger", "setup"]
