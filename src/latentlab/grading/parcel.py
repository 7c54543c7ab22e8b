"""Questions and responses as JSON, and back. Imports nothing of latentlab: a copy lies in the sandbox. No pickle, ever."""

import base64

import numpy as np
import torch


def pack(value):
    """A number, text, None, tensor, array, or tuple or list of these as JSON."""
    if isinstance(value, torch.Tensor):
        return {"tensor": pack(value.detach().numpy())}
    if isinstance(value, np.ndarray):
        plain = value.tolist() if value.dtype.kind == "U" else base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"dtype": value.dtype.str, "shape": list(value.shape), "data": plain}
    if isinstance(value, tuple):
        return {"tuple": [pack(part) for part in value]}
    if isinstance(value, list):
        return [pack(part) for part in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"A question holds a {type(value).__name__}; only numbers, text, tensors, arrays, tuples, lists can be sent.")


def unpack(value):
    """The inverse of `pack`. Raises ValueError, KeyError or TypeError for anything that is not its result."""
    if isinstance(value, list):
        return [unpack(part) for part in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return torch.from_numpy(unpack(value["tensor"]))
    if "tuple" in value:
        return tuple(unpack(part) for part in value["tuple"])
    dtype = np.dtype(str(value["dtype"]))
    if dtype.kind == "U":
        return np.array(value["data"], dtype=str).reshape(value["shape"])
    if dtype.kind not in "biufc":
        raise TypeError(f"An array of {dtype} is no data.")
    return np.frombuffer(base64.b64decode(value["data"]), dtype).reshape(value["shape"]).copy()
