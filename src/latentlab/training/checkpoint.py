"""Files that survive a kill: written beside, renamed into place, opened only when their checksum agrees."""

import hashlib
import io
import os
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

MAGIC = b"latentlab checkpoint 1\n"


class CheckpointError(RuntimeError):
    """A checkpoint is missing, truncated, altered, or made for another model."""


def write_atomically(path: Path | str, payload: bytes) -> None:
    """Write bytes so that `path` holds either the old content or the new one; raises OSError and leaves nothing behind.

    Every writer has a file of its own beside it, so that two never mix; what a killed writer left is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.*.tmp"):
        if not _alive(left.name.split(".")[-2]):
            left.unlink(missing_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(beside, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _alive(process: str) -> bool:
    """Whether a process of this number runs here."""
    try:
        os.kill(int(process), 0)
    except (OSError, ValueError) as error:
        return isinstance(error, PermissionError)  # another user's
    return True


def save_checkpoint(path: Path | str, state: dict) -> None:
    """Save a dictionary of tensors, numbers and strings with its checksum in front of it, in one atomic file."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    payload = buffer.getvalue()
    write_atomically(path, MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload)


def load_checkpoint(path: Path | str, device: torch.device | str = "cpu") -> dict:
    """The dictionary of `save_checkpoint`, weights-only; raises CheckpointError if missing, truncated or altered."""
    path = Path(path)
    if not path.exists():
        raise CheckpointError(f"There is no checkpoint at {path}. Start a training with `python -m latentlab train`.")
    digest, _, payload = path.read_bytes().removeprefix(MAGIC).partition(b"\n")
    if hashlib.sha256(payload).hexdigest().encode() != digest:
        raise CheckpointError(f"{path} is damaged and was not loaded. Delete it and train again, or take a backup.")
    return torch.load(io.BytesIO(payload), map_location=device, weights_only=True)


def save_weights(path: Path | str, module: nn.Module, about: dict[str, str], dtype: torch.dtype = torch.float32) -> str:
    """Share a model's weights as safetensors with text `about` them; returns the checksum (sha256) of the weights.

    dtype: of the numbers in the file; float16 halves it. Counters stay whole numbers.
    """
    state = {name: value.detach().cpu() for name, value in module.state_dict().items()}
    weights = {name: (v.to(dtype) if v.is_floating_point() else v).contiguous() for name, v in state.items()}
    digest = checksum(weights)
    write_atomically(path, safetensors.torch.save(weights, {**about, "checksum": digest}))
    return digest


def load_weights(path: Path | str, module: nn.Module) -> dict[str, str]:
    """Fill `module` from `save_weights`, return what is `about` it; raises CheckpointError if the file is not whole."""
    path = Path(path)
    if not path.exists():
        raise CheckpointError(f"There are no weights at {path}. Train the encoder first; the notebook's text says how.")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - safe_open is no mapping
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path} is damaged ({error}). Delete it and train again.") from error
    if about.pop("checksum", None) != checksum(weights):
        raise CheckpointError(f"{path} is damaged: its weights do not match its checksum. Delete it and train again.")
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"{path} holds weights of another model than the one asked for: {error}") from error
    return about


def checksum(weights: nn.Module | dict[str, Tensor]) -> str:
    """sha256 over names, shapes and bytes of all weights: equal if and only if the weights are bit-equal."""
    if isinstance(weights, nn.Module):
        weights = weights.state_dict()
    digest = hashlib.sha256()
    for name in sorted(weights):
        value = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
