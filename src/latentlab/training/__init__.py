"""One loop with history, checkpoints, exact resume, mixed precision and several processes."""

from .checkpoint import CheckpointError, checksum, load_weights, save_weights, write_atomically
from .loop import Budget, History, Player, Task, TrainingDiverged, fit, generator_for
from .schedule import warmup_cosine

__all__ = [
    "Budget", "CheckpointError", "History", "Player", "Task", "TrainingDiverged", "checksum", "fit", "generator_for",
    "load_weights", "save_weights", "warmup_cosine", "write_atomically",
]  # fmt: skip
