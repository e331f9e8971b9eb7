"""Ids and values as users give them, checked and made into what is stored."""

import torch
from torch import Tensor

from hopfield import _check
from hopfield.errors import ArgumentError, DtypeError, ShapeError
from hopfield.memory.form import as_tensor


def checked_ids(name: str, ids: object) -> Tensor:
    """Ids `(n,)` as int64."""
    found = as_tensor(name, ids)
    if found.numel() == 0:
        return torch.empty(0, dtype=torch.int64)
    if found.dtype == torch.bool or found.is_floating_point() or found.is_complex():
        raise DtypeError(f"{name} has dtype {found.dtype}; whole numbers, int64, are expected")
    if found.dim() != 1:
        raise ShapeError(f"{name} has shape {_check.shape_of(found)}; (n,) is expected")
    return _int64("ids", found)


def check_unique(ids: Tensor) -> None:
    """No id occurs twice."""
    ranked = ids.sort().values
    twice = ranked[1:][ranked[1:] == ranked[:-1]].unique()
    if len(twice):
        raise ArgumentError(f"ids has {listed(twice)} that occur more than once")


def listed(ids: Tensor) -> str:
    """How many ids, and the first of them."""
    shown = ", ".join(map(str, ids[:5].tolist()))
    return f"{len(ids)} ids ({shown}{' …' if len(ids) > 5 else ''})"


def checked_values(values: object, patterns: int) -> Tensor:
    """Values as they are stored."""
    found = as_tensor("values", values).detach().to("cpu")
    if found.is_complex() or found.dim() not in (1, 2):
        raise ShapeError(
            f"values is {found.dtype} of shape {_check.shape_of(found)}; (n, v), floating, or "
            f"(n,), whole numbers, is expected"
        )
    if len(found) != patterns:
        raise ShapeError(f"there are {len(found)} values for {patterns} patterns")
    if found.is_floating_point():
        found = found.float()
        found = found.unsqueeze(-1) if found.dim() == 1 else found
        _check.finite("values", found)
        return found
    if found.dim() == 2:
        raise ShapeError(
            f"values has shape {_check.shape_of(found)} and whole numbers; labels are (n,), and "
            f"vectors are floating"
        )
    return _int64("values", found)


def _int64(name: str, numbers: Tensor) -> Tensor:
    converted = numbers.to("cpu", torch.int64)
    if numbers.dtype == torch.uint64 and bool((converted < 0).any()):
        raise ArgumentError(f"{name} has numbers from 2**63 on; int64 holds those below")
    return converted


def spelled(kind: object) -> str:
    """A kind of values in words."""
    if kind is None:
        return "no values"
    return "labels" if kind == "labels" else f"values of shape {kind}"
