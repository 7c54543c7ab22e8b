"""Several processes that train as one: `torchrun` starts them, these few functions make their loss that of the whole batch."""

import os

import torch
import torch.distributed as dist
import torch.distributed.nn.functional as dist_nn
from torch import Tensor, nn


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


def gather(embeddings: Tensor) -> Tensor:
    """All processes' rows, in order of rank, with gradients flowing back to the process that owns them; (b, d) → (n·b, d)."""
    if size() == 1:
        return embeddings
    return torch.cat(dist_nn.all_gather(embeddings.contiguous()))  # (n·b, d)


@torch.no_grad()
def average_gradients(module: nn.Module) -> None:
    """Replace every gradient by its mean over the processes, in one message.

    Each process differentiates the loss of the whole batch; `gather` hands it n times its own share of the
    gradient, so the mean over n processes is the gradient of one process with the joint batch.
    """
    if size() == 1:
        return
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])  # (all parameters,)
    dist.all_reduce(flat)
    flat /= size()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
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

    Takes over a trained or fresh `nn.BatchNorm1d/2d` and keeps its parameter names, so weights stay interchangeable.
    """

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d):
        super().__init__()
        self.weight, self.bias, self.eps, self.momentum = norm.weight, norm.bias, norm.eps, norm.momentum
        for name, buffer in norm.named_buffers():
            self.register_buffer(name, buffer)

    def forward(self, x: Tensor) -> Tensor:
        """x (b, c) or (b, c, h, w) → the same shape."""
        if not self.training:
            return nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        over = [d for d in range(x.ndim) if d != 1]
        shape = [1, -1] + [1] * (x.ndim - 2)
        count = x.numel() // x.shape[1] * size()
        # μ = Σ x / n,  σ² = Σ (x − μ)² / n, the sums over all processes
        mean = dist_nn.all_reduce(x.float().sum(over)) / count  # (c,)
        centred = x.float() - mean.view(shape)
        variance = dist_nn.all_reduce(centred.square().sum(over)) / count  # (c,)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            self.num_batches_tracked += 1
        scaled = centred * (variance + self.eps).rsqrt().view(shape) * self.weight.view(shape) + self.bias.view(shape)
        return scaled.to(x.dtype)


def join_batch_norms(module: nn.Module) -> nn.Module:
    """Swap every batch norm below `module` for one over all processes; does nothing in a single process."""
    if size() > 1:
        for name, child in module.named_children():
            if isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
                setattr(module, name, JointBatchNorm(child))
            else:
                join_batch_norms(child)
    return module
