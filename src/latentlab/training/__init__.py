"""One loop with history, checkpoints, exact resume, mixed precision and several processes."""
# ruff: noqa: F401 – these names are imported to be found here

from .checkpoint import CheckpointError, checksum, load_weights, save_weights, write_atomically
from .loop import Budget, History, Player, Task, TrainingDiverged, fit, generator_for
from .optimiser import warmup_cosine
