"""Several processes train as one: `torchrun` starts them, these functions make their loss that of the whole batch."""

import os

import torch
import torch.distributed as dist
import torch.nn.functional as F
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


class _Gather(torch.autograd.Function):
    """All rows of all processes. Every loss sees every row, so a row's gradient is the sum over the processes."""

    @staticmethod
    def forward(ctx, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(size())]
        dist.all_gather(parts, rows)
        return torch.cat(parts)  # (n·b, …)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)  # (n·b, …)
        dist.all_reduce(total)
        return total.chunk(size())[rank()]  # (b, …)


def gather(rows: Tensor) -> Tensor:
    """All processes' rows (as many from each), in order of rank, with gradients to their owners; (b, …) → (n·b, …)."""
    if size() == 1:
        return rows
    exact = rows if rows.dtype == torch.float64 else rows.float()  # half precision travels, and comes back, as float32
    return _Gather.apply(exact.contiguous())  # (n·b, …)


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


class _JointNorm(torch.autograd.Function):
    """Normalise with joint statistics, one message each way; torch's fused kernels do the passes over x."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        unused = torch.zeros_like(weight), torch.zeros_like(weight)  # half precision counts in their float32
        local = torch.stack(torch.batch_norm_update_stats(x, *unused, 0.0))  # (2, c)
        means, variances = gather(local[None]).unbind(1)  # (n, c) each
        # batches of equal size: μ = mean of μ_r,  σ² = mean of σ²_r + (μ_r − μ)²
        mean = means.mean(0)  # (c,)
        variance = (variances + (means - mean).square()).mean(0)  # (c,)
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return F.batch_norm(x, mean, variance, weight, bias, eps=eps), mean, variance

    @staticmethod
    def backward(ctx, gradient: Tensor, *_: None) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, variance = ctx.saved_tensors
        # g w / σ,  Σ g x̂  and  Σ g  of this process's batch, with x̂ = (x − μ) / σ
        to_x, to_weight, to_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.stack([to_weight, to_bias])  # (2, c)
        dist.all_reduce(sums)
        count = x.numel() // x.shape[1] * size()  # N
        # ∂x = w / σ · (g − (x̂ Σ g x̂ + Σ g) / N), the sums over all N values of all processes
        slope, offset = sums * (weight * (variance + ctx.eps).rsqrt() / count)  # (c,) each
        to_x -= F.batch_norm(x, mean, variance, slope, offset, eps=ctx.eps)
        return to_x, to_weight, to_bias, None


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
        x, mean, variance = _JointNorm.apply(x, self.weight, self.bias, self.eps)
        count = x.numel() // x.shape[1] * size()
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            self.num_batches_tracked += 1
        return x


def join_batch_norms(module: nn.Module) -> nn.Module:
    """Swap every batch norm below `module` for one over all processes; does nothing in a single process."""
    if size() > 1:
        for name, child in module.named_children():
            if isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
                setattr(module, name, JointBatchNorm(child))
            else:
                join_batch_norms(child)
    return module
