"""Argument checks: each error says what came, what was expected and what to do."""

import importlib
import math
import os
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise, zip_longest
from numbers import Integral, Real
from types import ModuleType
from typing import TypeVar

import torch
from torch import Tensor

from hopfield.errors import ArgumentError, DtypeError, MissingExtraError, ShapeError

T = TypeVar("T")


def shape_of(tensor: Tensor) -> str:
    """The shape as users write it: `(32, 64)`."""
    return str(tuple(tensor.shape))


def choice(name: str, value: object, options: Iterable[str]) -> None:
    """`value` is one of `options`."""
    options = list(options)
    if value not in options:
        known = ", ".join(repr(option) for option in options)
        raise ArgumentError(f"{name} is {value!r}; choose one of {known}")


def positive_int(name: str, value: object) -> int:
    """A whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ArgumentError(f"{name} is {value!r}; a whole number of at least 1 is expected")
    return int(value)


def seed(name: str, value: object) -> int:
    """A whole number that all generators of random numbers take."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not 0 <= int(value) < 2**32:
        raise ArgumentError(f"{name} is {value!r}; a whole number from 0 to 2**32 - 1 is expected")
    return int(value)


def whole_numbers(name: str, value: object) -> int | Tensor:
    """A whole number of at least 1, or a tensor of them."""
    if not isinstance(value, Tensor):
        return positive_int(name, value)
    if value.is_floating_point() or value.is_complex() or value.dtype == torch.bool:
        raise DtypeError(f"{name} has dtype {value.dtype}; whole numbers are expected")
    if may_read(value) and not bool((value >= 1).all()):
        raise ArgumentError(f"{name} has values from {int(value.min())}; all must be at least 1")
    return value


def tolerance(name: str, value: object) -> None:
    """A finite number of at least 0, or a tensor of them."""
    if isinstance(value, Tensor):
        good = bool(((value >= 0) & value.isfinite()).all())
    else:
        number = real(value)
        good = number is not None and 0 <= number < math.inf
    if not good:
        raise ArgumentError(
            f"{name} is {value!r}; a finite number of at least 0, or None, is expected"
        )


def real(value: object) -> float | None:
    """A number as a float; None for what is no number, or True or False."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:  # a whole number that no float holds
        return math.inf


def positive(name: str, value: object) -> float:
    """A finite number above 0."""
    number = real(value)
    if number is None or not 0 < number < math.inf:
        raise ArgumentError(f"{name} is {value!r}; a finite number above 0 is expected")
    return number


def not_negative(name: str, value: object) -> float:
    """A finite number of at least 0."""
    number = real(value)
    if number is None or not 0 <= number < math.inf:
        raise ArgumentError(f"{name} is {value!r}; a finite number of at least 0 is expected")
    return number


def share(name: str, value: object) -> float:
    """A number in (0, 1]."""
    number = real(value)
    if number is None or not 0 < number <= 1:
        raise ArgumentError(f"{name} is {value!r}; a share above 0 and up to 1 is expected")
    return number


def floating(name: str, tensor: object, min_dims: int) -> Tensor:
    """A tensor of a real floating dtype with at least `min_dims` dimensions."""
    if not isinstance(tensor, Tensor):
        raise DtypeError(
            f"{name} is a {type(tensor).__name__}; a torch.Tensor is expected "
            f"(torch.as_tensor converts arrays and lists)"
        )
    if not tensor.is_floating_point():
        raise DtypeError(
            f"{name} has dtype {tensor.dtype}; a floating dtype is expected: "
            f"convert it, for example with {name}.float()"
        )
    if tensor.dim() < min_dims:
        raise ShapeError(
            f"{name} has shape {shape_of(tensor)}; at least {min_dims} dimensions are expected: "
            f"a single vector is {name}[None]"
        )
    return tensor


def alike(name: str, tensor: Tensor, other_name: str, other: Tensor) -> None:
    """Both tensors have the same dtype and device."""
    if tensor.dtype != other.dtype:
        raise DtypeError(
            f"{name} is {tensor.dtype} but {other_name} is {other.dtype}; "
            f"convert one of them, for example {name}.to({other_name}.dtype)"
        )
    if tensor.device != other.device:
        raise DtypeError(
            f"{name} is on {tensor.device} but {other_name} is on {other.device}; "
            f"move one of them, for example {name}.to({other_name}.device)"
        )


def patterns(stored: Tensor, projection: Tensor | None = None) -> None:
    """Stored patterns `(..., N, d)`, N ≥ 1, and what they read out, `(..., N, v)`."""
    floating("stored", stored, 2)
    if stored.shape[-2] == 0:
        raise ShapeError(
            f"stored has shape {shape_of(stored)}: it holds no pattern (N = 0); "
            f"at least one is expected"
        )
    if projection is None:
        return
    floating("projection", projection, 2)
    alike("projection", projection, "stored", stored)
    if projection.shape[-2] != stored.shape[-2]:
        raise ShapeError(
            f"projection has shape {shape_of(projection)} but stored has shape "
            f"{shape_of(stored)}; both need the same number of patterns N (dimension -2)"
        )


def plain_patterns(stored: Tensor) -> None:
    """Stored patterns `(N, d)`, N ≥ 1, without leading dimensions."""
    patterns(stored)
    if stored.dim() != 2:
        raise ShapeError(f"stored has shape {shape_of(stored)}; (N, d) is expected")
    if stored.shape[-1] == 0:
        raise ShapeError(f"stored has shape {shape_of(stored)}; d is 0, at least 1 is expected")


def state_fits(state: Tensor, stored: Tensor) -> None:
    """States `(..., S, d)` have the width, dtype and device of the stored patterns."""
    floating("state", state, 2)
    alike("state", state, "stored", stored)
    if state.shape[-1] != stored.shape[-1]:
        raise ShapeError(
            f"state has shape {shape_of(state)} but stored has shape {shape_of(stored)}; "
            f"both need the same width d (dimension -1)"
        )


def lead(bags: int | None, leads: Mapping[str, tuple[int, ...]]) -> None:
    """The leading dimensions, given by name, broadcast.

    With bags, states (and β) have the bags as their last leading dimension; the others do not.
    """
    aligned = dict(leads)
    if bags is not None:
        for name in ("stored", "projection", "mask", "bias"):
            if name in leads:
                aligned[name] = (*leads[name], bags)
    for sizes in zip_longest(*(reversed(shape) for shape in aligned.values()), fillvalue=1):
        wide = [size for size in sizes if size != 1]
        if all(size == wide[0] for size in wide):  # no set: sizes may be symbolic
            continue
        came = ", ".join(f"{name} {tuple(shape)}" for name, shape in leads.items() if shape)
        bags_are = "" if bags is None else f" (with {bags} bags as the last one of state and beta)"
        raise ShapeError(
            f"the leading dimensions do not broadcast: {came}; batch and head dimensions must be "
            f"equal or 1{bags_are}"
        )


def broadcasts(name: str, tensor: Tensor, shape: tuple[int, ...], spelled: str) -> None:
    """`tensor` broadcasts to `shape` in its last two dimensions; leading ones are checked apart."""
    given = (1, 1, *tensor.shape)[-2:]
    if any(size not in (1, wanted) for size, wanted in zip(given, shape, strict=True)):
        raise ShapeError(
            f"{name} has shape {shape_of(tensor)}; it must broadcast to {spelled} = "
            f"(..., {shape[0]}, {shape[1]})"
        )


def inverse_temperature(beta: object, state: Tensor) -> float | Tensor:
    """β: a finite number above 0, or a tensor that broadcasts to `(..., S, 1)`."""
    if not isinstance(beta, Tensor):
        return positive("beta", beta)
    beta = per_state("beta", beta, state)
    if may_read(beta) and not bool(((beta > 0) & beta.isfinite()).all()):
        raise ArgumentError(
            f"beta has values from {beta.min().item():g} to {beta.max().item():g}; "
            f"all must be finite and above 0"
        )
    return beta


def per_state(name: str, tensor: Tensor, state: Tensor) -> Tensor:
    """A floating tensor that broadcasts to `(..., S, 1)`, with at least two dimensions."""
    floating(name, tensor, 0)
    if tensor.dim() == 0:  # a lone number may lie anywhere
        tensor = tensor.to(state.device)
    if tensor.device != state.device:
        raise DtypeError(
            f"{name} is on {tensor.device} but state is on {state.device}; "
            f"move it with {name}.to(state.device)"
        )
    broadcasts(name, tensor, (state.shape[-2], 1), "(..., S, 1)")
    return torch.atleast_2d(tensor)


def indices(name: str, tensor: object, size: int) -> Tensor:
    """Indices of patterns, `(n,)`, whole numbers from 0 to `size` − 1."""
    whole = isinstance(tensor, Tensor) and tensor.dtype in (torch.int64, torch.int32)
    if not isinstance(tensor, Tensor) or not whole or tensor.dim() != 1:
        came = f"{tensor.dtype} {shape_of(tensor)}" if isinstance(tensor, Tensor) else repr(tensor)
        raise DtypeError(f"{name} is {came}; a tensor of indices, int64, shape (n,), is expected")
    outside = (tensor < 0) | (tensor >= size)
    if bool(outside.any()):
        raise ArgumentError(
            f"{name} has {int(outside.sum())} indices outside 0 to {size - 1}, the first is "
            f"{int(tensor[outside][0])}"
        )
    return tensor


def may_read(tensor: Tensor) -> bool:
    """Whether values can be looked at for nothing: on the CPU, and not while tracing."""
    return (
        tensor.device.type == "cpu"
        and not torch.compiler.is_compiling()
        and not torch._C._are_functorch_transforms_active()
    )


def finite(name: str, tensor: Tensor) -> None:
    """No NaN and no infinity; the message names the first pattern that has one."""
    rows = tensor.isfinite().all(-1)
    if not bool(rows.all()):
        bad = (~rows).nonzero()
        raise ArgumentError(
            f"{name} has NaN or infinite values in {len(bad)} of {rows.numel()} vectors, the first "
            f"at index {tuple(bad[0].tolist())}; clean them or leave them out"
        )


def additive(name: str, tensor: Tensor, state: Tensor, patterns: int | None) -> None:
    """A mask (bool) or bias (floating) that broadcasts to `(..., S, N)`; N may be unknown yet."""
    if not isinstance(tensor, Tensor):
        raise DtypeError(f"{name} is a {type(tensor).__name__}; a torch.Tensor is expected")
    if name == "mask" and tensor.dtype != torch.bool:
        raise DtypeError(
            f"mask has dtype {tensor.dtype}; bool is expected, True where a pattern takes part "
            f"(what is added to the scores goes into bias)"
        )
    if name == "bias" and not tensor.is_floating_point():
        raise DtypeError(
            f"bias has dtype {tensor.dtype}; a floating dtype is expected "
            f"(True/False of what takes part goes into mask)"
        )
    if tensor.device != state.device:
        raise DtypeError(
            f"{name} is on {tensor.device} but state is on {state.device}; "
            f"move it with {name}.to(state.device)"
        )
    patterns = tensor.shape[-1] if patterns is None and tensor.dim() > 0 else patterns or 1
    broadcasts(name, tensor, (state.shape[-2], patterns), "(..., S, N)")


def bag_offsets(offsets: Tensor, patterns: int) -> list[int]:
    """Bag boundaries `(B + 1,)`: from 0 to the number of patterns, no bag empty."""
    if not isinstance(offsets, Tensor) or offsets.dim() != 1 or offsets.is_floating_point():
        came = shape_of(offsets) if isinstance(offsets, Tensor) else type(offsets).__name__
        raise ShapeError(
            f"offsets is {came}; a tensor of whole numbers, shape (B + 1,), is expected"
        )
    bounds: list[int] = offsets.tolist()
    if len(bounds) < 2 or bounds[0] != 0 or bounds[-1] != patterns:
        raise ShapeError(
            f"offsets has {len(bounds)} entries from {bounds[0] if bounds else 'none'} to "
            f"{bounds[-1] if bounds else 'none'}; they must start at 0 and end at the number of "
            f"stored patterns, {patterns}"
        )
    empty = [i for i, (low, high) in enumerate(pairwise(bounds)) if high <= low]
    if empty:
        raise ShapeError(
            f"offsets does not rise at {len(empty)} of {len(bounds) - 1} bags, the first is bag "
            f"{empty[0]}; a bag needs at least one pattern: leave empty bags out"
        )
    return bounds


def extra(module: str, name: str) -> ModuleType:
    """Import an optional library, or say which extra brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f"{package} is needed for this and is not installed; "
            f"install it with: pip install 'hopfield[{name}]'"
        ) from error


def unused(value: object, name: str, why: str) -> None:
    """An argument that makes no sense here was not given."""
    if value is not None:
        raise ArgumentError(f"{name} was given but {why}")


def numbers(name: str, values: object, check: Callable[[str, object], T]) -> list[T]:
    """A sequence of numbers, each checked; a tensor `(n,)` and an array are sequences, too."""
    if isinstance(values, Tensor) and values.dim() == 1:
        values = values.tolist()
    if not isinstance(values, Iterable) or isinstance(values, str | Tensor):
        raise ArgumentError(f"{name} is {values!r}; a sequence of numbers is expected")
    found = [check(name, value) for value in values]
    if not found:
        raise ArgumentError(f"{name} is empty; at least one number is expected")
    return found


def memory() -> int | None:
    """The bytes of memory of this machine; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def fits_memory(needed: int, what: str, name: str) -> None:
    """So many bytes are less than the machine has; asked before the work begins."""
    held = memory()
    if held is not None and needed > held:
        raise ArgumentError(
            f"{what} take about {needed / 2**30:.3g} GiB, and this machine has "
            f"{held / 2**30:.3g} GiB; choose a smaller {name}"
        )
