"""`Form`: what all patterns of a memory share, which never changes."""

import warnings
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import numpy as np
import torch
from torch import Tensor

from hopfield import _check
from hopfield._text import one_line
from hopfield.errors import ArgumentError, DtypeError, ShapeError
from hopfield.reduction.partial import MERGEABLE, SOFTMAX
from hopfield.separation import Separation, Softmax, Softmax1, TopK, resolve
from hopfield.similarity import SIMILARITIES, Similarity, minus_half_squares, normalised

Scan = Literal["exact", "int8"]
SCANS: tuple[Scan, ...] = ("exact", "int8")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
TAIL_NUMBERS = 2**23  # what small adds gather in memory before they become a segment
SEGMENT_NUMBERS = 2**27
LEAST_BETA, MOST_BETA = 1e-30, 1e30
MOST_DIM = 2**31 - 1


class FormSettings(TypedDict, total=False):
    """The keyword arguments that make a `Form`.

    Attributes:
        similarity: "dot" (the default), "euclidean" or "cosine", for which patterns are stored
            normalised.
        separation: "softmax" (the default), "softmax1" or `TopK(k)`.
        dtype: "float32" (the default) or "bfloat16", in which patterns are stored; states are
            float32.
        scan: "int8" keeps a copy of the patterns in a quarter of the bytes, which retrieval scans;
            what it reads out then has a proved bound. By default "exact".
    """

    similarity: Similarity
    separation: str | Separation
    dtype: str | torch.dtype
    scan: Scan


@dataclass(frozen=True)
class Form:
    """What all patterns of a memory share.

    Attributes:
        dim: d.
        similarity: how patterns are compared; for "cosine" they are stored normalised.
        separation: softmax, softmax1 or top-k.
        dtype: in which patterns are stored.
        scan: whether associations read the patterns themselves, or first an int8 copy of them.
    """

    dim: int
    similarity: Similarity = "dot"
    separation: Separation = SOFTMAX
    dtype: torch.dtype = torch.float32
    scan: Scan = "exact"

    @property
    def tail_rows(self) -> int:
        """How many patterns small adds gather to, at most."""
        return max(1024, TAIL_NUMBERS // self.dim)

    @property
    def segment_rows(self) -> int:
        """How many patterns a segment has, at most."""
        return max(1024, SEGMENT_NUMBERS // self.dim)

    def states(
        self, noisy: object, name: str = "noisy", device: torch.device | str = "cpu"
    ) -> Tensor:
        """States `(S, d)` or `(..., S, d)` as float32; a NumPy array is taken, too."""
        state = as_tensor(name, noisy)
        _check.floating(name, state, 2)
        self._check_width(name, state)
        given, state = state, state.to(device, torch.float32)
        _check.finite(name, given.detach())
        if not bool(state.detach().square().sum(-1).isfinite().all()):
            raise ArgumentError(
                f"{name} has vectors that are too long for float32; scale them down"
            )
        return normalised(state) if self.similarity == "cosine" else state

    def patterns(self, patterns: object) -> Tensor:
        """Patterns `(n, d)` as they are stored."""
        given = as_tensor("patterns", patterns).detach()
        _check.floating("patterns", given, 2)
        if given.dim() != 2:
            raise ShapeError(f"patterns has shape {_check.shape_of(given)}; (n, d) is expected")
        self._check_width("patterns", given)
        stored = given.to("cpu", torch.float32)
        if self.similarity == "cosine":
            stored = normalised(stored)
        stored = stored.to(self.dtype)
        _check.finite("patterns", given)
        overflown = ~(minus_half_squares(stored).isfinite() & stored.isfinite().all(-1))
        if bool(overflown.any()):
            raise ArgumentError(
                f"patterns has {int(overflown.sum())} vectors that are too long for {self.dtype}, "
                f"the first at index {int(overflown.nonzero()[0])}; scale them down"
            )
        return stored

    def _check_width(self, name: str, tensor: Tensor) -> None:
        if tensor.shape[-1] != self.dim:
            raise ShapeError(
                f"{name} has shape {_check.shape_of(tensor)}; this memory holds patterns of width "
                f"{self.dim} (dimension -1)"
            )

    def as_json(self) -> dict[str, Any]:
        """The form as a manifest keeps it."""
        separation = self.separation
        kept = {"name": type(separation).__name__}
        return {
            "dim": self.dim,
            "similarity": self.similarity,
            "separation": kept | ({"k": separation.k} if isinstance(separation, TopK) else {}),
            "dtype": next(name for name, dtype in DTYPES.items() if dtype == self.dtype),
            "scan": self.scan,
        }

    @classmethod
    def of_json(cls, kept: dict[str, Any]) -> "Form":
        """The inverse of `as_json`; checked as what users give is."""
        separation = dict(kept["separation"])
        kinds = {"Softmax": Softmax, "Softmax1": Softmax1, "TopK": TopK}
        made = kinds[separation.pop("name")](**separation)
        return form(kept["dim"], kept["similarity"], made, kept["dtype"], kept["scan"])


def form(
    dim: int,
    similarity: str = "dot",
    separation: str | Separation = "softmax",
    dtype: str | torch.dtype = "float32",
    scan: str = "exact",
) -> Form:
    """The form that users ask for, checked."""
    dim = _check.positive_int("dim", dim)
    if dim > MOST_DIM:
        raise ArgumentError(f"dim is {dim}; {MOST_DIM} is the most")
    _check.choice("similarity", similarity, SIMILARITIES)
    _check.choice("scan", scan, SCANS)
    name = str(dtype).removeprefix("torch.")
    _check.choice("dtype", name, DTYPES)
    resolved = resolve(separation)
    if not isinstance(resolved, MERGEABLE):
        raise ArgumentError(
            f"a memory cannot have the separation {resolved}: it needs all scores of a state at "
            f"once; softmax, softmax1 and top-k do not"
        )
    if scan == "int8" and isinstance(resolved, TopK):
        raise ArgumentError("scan='int8' certifies softmax and softmax1; top-k scans exactly")
    known: dict[str, Similarity] = {name: name for name in SIMILARITIES}
    scans: dict[str, Scan] = {name: name for name in SCANS}
    return Form(dim, known[similarity], resolved, DTYPES[name], scans[scan])


def inverse_temperature(beta: object) -> float:
    """β, in a range in which float32 holds scores."""
    number = _check.positive("beta", beta)
    if not LEAST_BETA <= number <= MOST_BETA:
        raise ArgumentError(
            f"beta is {number:g}; from {LEAST_BETA:g} to {MOST_BETA:g} is what a memory computes "
            f"with: scale the patterns instead"
        )
    return number


def as_tensor(name: str, values: object) -> Tensor:
    """A tensor in memory, of what may be an array or a list."""
    try:
        if isinstance(values, np.ndarray):  # PyTorch takes no negative strides, nor other bytes
            values = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
        with warnings.catch_warnings():  # nothing is written to arrays that are read-only
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            tensor = torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise DtypeError(
            f"{name} is a {type(values).__name__} that cannot be made a tensor "
            f"({one_line(error)}); a tensor or an array of numbers is expected"
        ) from error
    if tensor.layout != torch.strided or tensor.is_nested or tensor.device.type == "meta":
        kind = f"{tensor.layout}, on {tensor.device}"
        raise DtypeError(f"{name} is a tensor that is not dense in memory ({kind}): convert it")
    return tensor
