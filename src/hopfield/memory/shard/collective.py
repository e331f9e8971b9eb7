"""`Group`: what processes that share a memory exchange: tensors alone, within a time."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from hopfield._text import one_line
from hopfield.errors import ArgumentError, ShardError

# What processes call together, and what they must agree on.
CALLS: dict[str, tuple[str, ...]] = {
    "make": ("width", "beta", "similarity", "separation", "k", "version"),
    "retrieve": ("states", "own", "steps", "tol", "energy"),
    "associate": ("states", "own", "k"),
    "energy": ("states", "own"),
    "phase": ("states", "own", "fixed_at", "global_kl"),
}
WIDEST = max(map(len, CALLS.values()))


class Group:
    """The processes that share a memory: those of `torch.distributed`, or this one alone.

    Args:
        timeout: seconds within which the others must answer.

    Attributes:
        rank: the number of this process.
        world: how many there are.
        device: where tensors that are exchanged lie: with NCCL on the current GPU, else the CPU.
        trains: whether any process wants gradients of what they do.

    Raises:
        ShardError: another process died, or did not answer in time; as all methods do.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.rank, self.world, self.device = 0, 1, torch.device("cpu")
        self.trains, self._call = False, "make"
        self._processes: dist.ProcessGroup | None = None
        if dist.is_initialized():
            self.rank, self.world = dist.get_rank(), dist.get_world_size()
            if dist.get_backend() == "nccl":
                self.device = torch.device("cuda", torch.cuda.current_device())
            with self._answered():  # a group of its own: nothing else comes between its messages
                self._processes = dist.new_group(timeout=timedelta(seconds=timeout))

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes; the tensor itself is not kept."""
        tensor = tensor.contiguous()
        if self.world > 1:
            with self._answered():
                dist.all_reduce(tensor, group=self._processes)
        return tensor

    def slots(self, own: Tensor) -> Tensor:
        """What all processes have, `(world, ...)`, bit for bit the same on all of them."""
        every = own.new_zeros(self.world, *own.shape)
        every[self.rank] = own
        return self.sum(every)

    def of_first(self, tensor: Tensor) -> Tensor:
        """What the first process has."""
        tensor = tensor.clone(memory_format=torch.contiguous_format)
        if self.world > 1:
            with self._answered():
                dist.broadcast(tensor, 0, group=self._processes)
        return tensor

    @contextmanager
    def checking(self, call: str) -> Iterator[None]:
        """Check arguments: where this process refuses its own, the others hear of it."""
        try:
            yield
        except Exception:
            with suppress(ShardError):
                self._exchange(call, refused=True)
            raise

    def agree(self, call: str, *said: float, trains: bool = False) -> None:
        """Make sure that all processes do the same.

        Args:
            call: one of `CALLS`.
            *said: what it names.
            trains: whether this process wants gradients.

        Raises:
            ArgumentError: they do not, or one of them refused its arguments.
        """
        calls, refused, trained = self._exchange(call, *said, trains=trains)
        if bool(refused.any()):
            one = int(refused.nonzero()[0])
            raise ArgumentError(f"{call}: process {one} refused its arguments, and says why")
        differs = (calls != calls[0]).any(-1)
        if bool(differs.any()):
            one = int(differs.nonzero()[0])
            raise ArgumentError(
                f"process 0 calls {_spelled(calls[0])} and process {one} {_spelled(calls[one])}; "
                f"all must make the same calls, with states of one shape"
            )
        self.trains = bool(trained.any())

    def _exchange(
        self, call: str, *said: float, trains: bool = False, refused: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What each process calls, whether it refuses, and trains; always of the same size."""
        self._call = call
        number = [*CALLS].index(call)
        unsaid = [0.0] * (WIDEST - len(said))
        row = [float(one) for one in (number, *said, *unsaid, refused, trains)]
        own = torch.tensor(row, dtype=torch.float64, device=self.device)
        every = self.slots(own).cpu()
        return every[:, :-2], every[:, -2], every[:, -1]

    @contextmanager
    def _answered(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise ShardError(
                f"{self._call} on process {self.rank} of {self.world}: another process died, or "
                f"did not answer within {self.timeout:g} s ({one_line(error)}); memories on disk "
                f"are as they were, for nothing writes to them here; start all processes again"
            ) from error


def _spelled(said: Tensor) -> str:
    call = [*CALLS][int(said[0])]
    named = zip(CALLS[call], said[1:].tolist(), strict=False)
    return f"{call}({', '.join(f'{name}={value:g}' for name, value in named)})"


def first_states(state: Tensor, group: Group) -> Tensor:
    """The states of the first process; each process gets their whole gradient."""
    return _OfFirst.apply(_taking_part(state, group), group)


def all_states(state: Tensor, group: Group) -> Tensor:
    """The states of all processes, `(world · S, d)`; each gets the gradient of its own."""
    return _Slots.apply(_taking_part(state, group), group, False).flatten(0, 1)


def inside(state: Tensor, group: Group) -> Tensor:
    """States on their way into the own share, whose gradients are but shares of the whole."""
    return _Inside.apply(_taking_part(state, group), group)


def outside(own: Tensor, group: Group) -> Tensor:
    """What comes out of all shares, `(world, ...)`.

    The processes may go on to losses of their own, as data-parallel training does: the gradient is
    that of the mean of their losses, which is that of one loss that all of them compute.
    """
    return _Slots.apply(_taking_part(own, group), group, True)


def _taking_part(tensor: Tensor, group: Group) -> Tensor:
    """The tensor, in backward wherever it is so on any process: all exchange gradients then."""
    wanted = group.trains and torch.is_grad_enabled() and not tensor.requires_grad
    return tensor.detach().requires_grad_() if wanted else tensor


class _OfFirst(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, state: Tensor, group: Group) -> Tensor:
        return group.of_first(state)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class _Inside(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, state: Tensor, group: Group) -> Tensor:
        ctx.group = group
        return state.view_as(state)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.group.sum(gradient.clone()), None


class _Slots(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, group: Group, mean: bool) -> Tensor:
        ctx.group, ctx.divisor = group, group.world if mean else 1
        return group.slots(own)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        group = ctx.group
        return group.sum(gradient.clone())[group.rank] / ctx.divisor, None, None
