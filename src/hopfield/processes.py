"""Processes that work together: `torchrun` starts them."""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
import torch.distributed as dist


@contextmanager
def processes(backend: Literal["gloo", "nccl"] = "gloo") -> Iterator[None]:
    """Join the other processes where `torchrun` has started several; all are done together.

    The group stays until the process ends: who leaves it could not join it again. A process that
    was started alone stays alone.

    Args:
        backend: "gloo" for tensors on the CPU, "nccl" for one GPU a process: that of its number on
            its machine (`LOCAL_RANK`), which becomes the current one.
    """
    if "WORLD_SIZE" in os.environ and not dist.is_initialized():
        if backend == "nccl":
            os.environ.setdefault("TORCH_NCCL_BLOCKING_WAIT", "1")  # time-outs raise, not abort
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group(backend)
        atexit.register(dist.destroy_process_group)
    yield
    if dist.is_initialized():
        dist.barrier()
