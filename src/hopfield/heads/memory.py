"""Whether memory ran out."""

import torch


def is_memory(error: Exception) -> bool:
    """Whether it is an error of memory: PyTorch has one of its own on a GPU alone."""
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "DefaultCPUAllocator" in str(error)
