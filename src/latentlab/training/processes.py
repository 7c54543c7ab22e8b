"""Several processes train as one: `torchrun` starts them, these functions make their loss that of the whole batch."""

import os

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.nn.functional import all_gather


def start() -> None:
    """Join the group that `torchrun` announced through the environment; does nothing in a single process."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def stop() -> None:
    """Leave the group, if there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """This process's number, 0 in a single process."""
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def gather(rows: Tensor) -> Tensor:
    """All processes' rows (as many from each), in order of rank; (b, …) → (n·b, …).

    Every loss sees every row, so the gradient that a row's owner gets is the sum over the processes.
    """
    if size() == 1:
        return rows
    exact = rows if rows.dtype == torch.float64 else rows.float()  # half precision travels, and comes back, as float32
    return torch.cat(all_gather(exact.contiguous()))  # (n·b, …)


@torch.no_grad()
def average_gradients(module: nn.Module) -> None:
    """Replace every gradient by its mean over the processes, in one message.

    `gather` hands each of n processes n times its own share of the joint batch's gradient: the mean is that gradient.
    """
    if size() == 1:
        return
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])  # (all parameters,)
    dist.all_reduce(flat)
    for gradient, part in zip(gradients, (flat / size()).split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


@torch.no_grad()
def agree(value: float) -> float:
    """Rank 0's number everywhere, so that clocks that differ do not make schedules differ."""
    if size() == 1:
        return value
    shared = torch.tensor(value, dtype=torch.float64, device="cuda" if dist.get_backend() == "nccl" else "cpu")
    dist.broadcast(shared, 0)
    return shared.item()


class JointBatchNorm(nn.Module):
    """Batch normalisation with the mean and variance of all processes' batches; torch's own version needs a GPU.

    Takes over an `nn.BatchNorm1d/2d`, trained or fresh, with its parameter names: weights stay interchangeable.
    """

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d):
        super().__init__()
        self.weight, self.bias, self.eps, self.momentum = norm.weight, norm.bias, norm.eps, norm.momentum
        for name, buffer in norm.named_buffers():
            self.register_buffer(name, buffer)

    def forward(self, x: Tensor) -> Tensor:
        """x (b, c) or (b, c, h, w) → the same shape; every process must bring a batch of the same size."""
        if not self.training:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        axes, shape = [0, *range(2, x.ndim)], (-1, *[1] * (x.ndim - 2))
        exact = x if x.dtype == torch.float64 else x.float()
        # batches of equal size: μ = mean of the batches' means,  σ² = mean of the batches' means of (x − μ)²
        mean = gather(exact.mean(axes)[None]).mean(0)  # (c,)
        centred = exact - mean.view(shape)  # as x
        variance = gather(centred.square().mean(axes)[None]).mean(0)  # (c,)
        # y = w (x − μ) / σ + b
        scale = self.weight * (variance + self.eps).rsqrt()  # (c,)
        y = centred * scale.view(shape) + self.bias.view(shape)
        count = x.numel() // x.shape[1] * size()
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            self.num_batches_tracked += 1
        return y.to(x.dtype)


def join_batch_norms(module: nn.Module) -> nn.Module:
    """Swap every batch norm below `module` for one over all processes; does nothing in a single process."""
    if size() > 1:
        for name, child in module.named_children():
            if isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
                setattr(module, name, JointBatchNorm(child))
            else:
                join_batch_norms(child)
    return module
