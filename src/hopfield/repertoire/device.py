"""`best_device`: where a network computes."""

import os

import torch

from hopfield.errors import ArgumentError


def best_device(name: str) -> torch.device:
    """A device by its name; "auto" is a GPU where there is one."""
    if name != "auto":
        kind = name.partition(":")[0]
        if kind != "cpu" and not (kind == "cuda" and torch.cuda.is_available()):
            there = "there is one" if torch.cuda.is_available() else "there is none here"
            raise ArgumentError(f"device is {name!r}; auto, cpu or cuda ({there}) is expected")
        return torch.device(name)
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))  # as torchrun numbers them
