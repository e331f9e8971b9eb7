"""Rows of projections that nothing reads any more are dropped."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import linear

from hopfield.heads.replacement.install import replaced_heads
from hopfield.heads.replacement.layers import Layer
from hopfield.heads.replacement.measure import last_hidden
from hopfield.heads.replacement.replacement import Replacement
from hopfield.huggingface.recording import in_eval_mode

ROLES = ("query", "key", "value")
# What models call the projections inside their layer of attention.
NAMES = {
    "query": ("query", "q_proj", "q_lin", "q"),
    "key": ("key", "k_proj", "k_lin", "k"),
    "value": ("value", "v_proj", "v_lin", "v"),
    "fused": ("c_attn", "Wqkv", "qkv", "qkv_proj", "query_key_value"),  # all three in one
}
ROUNDING = 1e-4  # by how much of their deviation hidden states may change

Unit = tuple[str, int]  # rows for the queries of a head, or for the keys or values of a group


class SomeRows(nn.Module):
    """A linear map of which only some rows are left; the others give 0.

    Args:
        weight: of the rows that are left, `(r, in)`.
        bias: of these, `(r,)`, or None.
        kept: their numbers, `(r,)`.
        rows: how many there were.
    """

    kept: Tensor

    def __init__(
        self,
        weight: Float[Tensor, "r in"],
        bias: Float[Tensor, " r"] | None,
        kept: Int[Tensor, " r"],
        rows: int,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = None if bias is None else nn.Parameter(bias)
        self.register_buffer("kept", kept)
        there = torch.zeros(rows, dtype=torch.bool).index_fill(0, kept.cpu(), True)
        same, lengths = there.unique_consecutive(return_counts=True)
        self._runs = list(zip(same.tolist(), lengths.tolist(), strict=True))

    def forward(self, inputs: Float[Tensor, "*lead in"]) -> Float[Tensor, "*lead rows"]:
        """What is left of the projection, and 0 elsewhere."""
        found = linear(inputs, self.weight, self.bias)
        nothing, at, pieces = found.new_zeros(1), 0, []
        for there, length in self._runs:  # a copy of each run is faster than an index for each row
            if there:
                pieces.append(found[..., at : at + length])
                at += length
            else:
                pieces.append(nothing.expand(*found.shape[:-1], length))
        return torch.cat(pieces, -1)


@torch.no_grad()
def some_rows(linear_map: Any, kept: Int[Tensor, " r"]) -> SomeRows:
    """Some rows of a linear map of PyTorch, or of GPT-2's, which is transposed."""
    weight = linear_map.weight if type(linear_map) is nn.Linear else linear_map.weight.T
    kept = kept.to(weight.device)
    bias = None if linear_map.bias is None else linear_map.bias[kept].clone()
    return SomeRows(weight[kept].clone(), bias, kept, len(weight))


@torch.no_grad()
def prune(
    model: nn.Module, layers: Mapping[str, Layer], inputs: Mapping[str, Tensor]
) -> dict[str, str]:
    """Drop the rows of projections that only replaced heads would read.

    These are rows for queries of replaced heads, rows for keys whose whole group of heads is
    replaced, and rows for values where no head of the group reads them. Projections are found by
    the names that models give them; a layer keeps all of its rows if the model would not give the
    same without them.

    Args:
        model: with replaced heads; it is changed.
        layers: as `attention_layers` found them.
        inputs: a batch to compare on.

    Returns:
        The layers that keep rows which nothing reads, and why.
    """
    left: dict[str, str] = {}
    with in_eval_mode(model):
        before = last_hidden(model, inputs)[0]
        for name, by_head in replaced_heads(model).items():
            module = model.get_submodule(name)
            layouts = _layouts(module, layers[name])
            if not layouts:
                left[name] = "its projections have no known names"
            unread = _unread(by_head, layers[name])
            if layouts and not any(
                _dropped(module, layout, unread, lambda: last_hidden(model, inputs)[0], before)
                for layout in layouts
            ):
                left[name] = "without these rows the model gives something else"
    return left


def _layouts(module: nn.Module, layer: Layer) -> list[dict[str, list[Unit]]]:
    """What the rows of the projections of a layer may be for: units of equal width, in order."""
    own = {
        role: next((name for name in names if _is_linear(getattr(module, name, None))), None)
        for role, names in NAMES.items()
    }
    groups = layer.heads // layer.group
    units = {
        role: [(role, n) for n in range(layer.heads if role == "query" else groups)]
        for role in ROLES
    }
    fused = own.pop("fused")
    if fused is not None:
        apart = [unit for role in ROLES for unit in units[role]]
        by_head = sorted(apart, key=lambda unit: unit[1])
        return [{fused: apart}, {fused: by_head}]
    if None in own.values():
        return []
    return [{name: units[role] for role, name in own.items() if name is not None}]


def _unread(by_head: Mapping[int, Replacement], layer: Layer) -> set[Unit]:
    """The units that no head reads: queries by head, keys and values by group."""
    unread = {("query", head) for head in by_head}
    for group in range(layer.heads // layer.group):
        heads = range(group * layer.group, (group + 1) * layer.group)
        if all(head in by_head for head in heads):
            unread.add(("key", group))
            if not any(by_head[head].reads for head in heads):
                unread.add(("value", group))
    return unread


def _dropped(
    module: nn.Module,
    layout: Mapping[str, list[Unit]],
    unread: set[Unit],
    run: Callable[[], Tensor],
    before: Tensor,
) -> bool:
    """Drop rows of one layer, and see that nothing changes; else they come back."""
    whole = {name: getattr(module, name) for name in layout}
    try:
        for name, units in layout.items():
            setattr(module, name, _without(whole[name], units, unread))
        if bool((run() - before).abs().max() <= ROUNDING * before.std()):
            return True
    except RuntimeError:  # shapes that do not fit
        pass
    for name, linear_map in whole.items():
        setattr(module, name, linear_map)
    return False


def _without(linear_map: Any, units: list[Unit], unread: set[Unit]) -> nn.Module:
    """A linear map without the rows of some units."""
    rows = len(linear_map.weight if type(linear_map) is nn.Linear else linear_map.weight.T)
    read = torch.tensor([unit not in unread for unit in units])
    kept = read.repeat_interleave(rows // len(units)).nonzero().squeeze(-1)
    return linear_map if len(kept) == rows else some_rows(linear_map, kept)


def _is_linear(module: Any) -> bool:
    return type(module) is nn.Linear or type(module).__name__ == "Conv1D"  # that of GPT-2
