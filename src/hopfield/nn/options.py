"""The options of `Hopfield` that the layers round it hand on."""

from collections.abc import Collection, Sequence
from typing import Literal, TypedDict

import torch
from torch import Tensor

from hopfield.nn.space import Role
from hopfield.separation import Separation


class RetrievalOptions(TypedDict, total=False):
    """What makes attention a retrieval; can be set on a `hopfield.nn.Hopfield` at any time."""

    beta: float | Tensor | None
    steps: int | Sequence[int] | None
    tol: float | Sequence[float] | None
    separation: str | Separation
    backward: Literal["unrolled", "implicit"]


class Options(RetrievalOptions, total=False):
    """Keyword arguments of `hopfield.nn.Hopfield`; described and defaulted there."""

    hidden_size: int | None
    value_size: int | None
    num_heads: int
    output_size: int | None
    learn_beta: bool
    norm: bool | Collection[str]
    dropout: float
    bias: bool
    bias_pattern: bool
    static: Collection[Role]
    connected: bool
    output_projection: bool
    device: torch.device | str | None
    dtype: torch.dtype | None
