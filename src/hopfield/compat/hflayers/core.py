"""The maps into Hopfield space and out of it, in the parameters that hflayers has."""

from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, linear

from hopfield.compat.hflayers.sizes import Sizes
from hopfield.nn.space import ROLES, Role

STD = 0.02  # of the weights at first
LETTERS: dict[Role, str] = {"state": "q", "stored": "k", "projection": "v"}
PARAMETERS = (  # in the order in which optimisers number them
    "p_norm_weight",
    "p_norm_bias",
    *(f"{letter}_proj_weight" for letter in LETTERS.values()),
    "in_proj_weight",
    "in_proj_bias",
    "bias_k",
    "bias_v",
)


class HopfieldCore(nn.Module):
    """Takes each role into Hopfield space, with parameters that are those of hflayers.

    They have the same names, shapes, order and first values, so that state dicts, states of
    optimisers and seeds mean the same there and here.

    Args:
        sizes: the widths.
        num_heads: H.
        static: the roles that are not projected.
        connected: whether the projections are made from projected stored patterns.
        output_projection: whether a map makes the output.
        bias: whether maps have a bias.
        bias_pattern: whether each head has one more, learned stored pattern.
        normalize: whether states and stored patterns are normed in Hopfield space.
        affine: whether that norm has weight and bias.
        eps: of that norm.
    """

    in_proj_weight: nn.Parameter | None
    in_proj_bias: nn.Parameter | None
    p_norm_weight: nn.Parameter | None
    p_norm_bias: nn.Parameter | None
    bias_k: nn.Parameter | None
    bias_v: nn.Parameter | None

    def __init__(
        self,
        sizes: Sizes,
        *,
        num_heads: int,
        static: Collection[Role],
        connected: bool,
        output_projection: bool,
        bias: bool,
        bias_pattern: bool,
        normalize: bool,
        affine: bool,
        eps: float,
    ) -> None:
        super().__init__()
        self.num_heads, self.normalize, self.eps = num_heads, normalize, eps
        self.connected = connected and "stored" not in static
        hidden, value = num_heads * (sizes.hidden or 0), num_heads * (sizes.pattern or 0)
        widths: dict[Role, int] = {"state": hidden, "stored": hidden, "projection": value}
        entering = {r: sizes.coming[r] or 0 for r in ROLES if r not in static}
        if self.connected and "projection" in entering:
            entering["projection"] = hidden
        self.rows: dict[Role, slice] = {}
        total = 0
        for role in entering:
            self.rows[role] = slice(total, total + widths[role])
            total += widths[role]
        self.shared = set(static) - ({"projection"} if self.connected else set())  # by all heads
        shapes: dict[str, tuple[int, ...]] = {}
        if affine:
            shapes |= dict.fromkeys(("p_norm_weight", "p_norm_bias"), (hidden // num_heads,))
        if sizes.packed and entering:
            shapes["in_proj_weight"] = (total, max(entering.values()))
        else:
            shapes |= {f"{LETTERS[r]}_proj_weight": (widths[r], entering[r]) for r in entering}
        if bias and entering:  # with rows for the projections even where they are static
            shapes["in_proj_bias"] = (total + (0 if "projection" in entering else value),)
        if bias_pattern:
            shapes |= {"bias_k": (1, 1, hidden), "bias_v": (1, 1, value)}
        for name in PARAMETERS:
            own = nn.Parameter(torch.empty(shapes[name])) if name in shapes else None
            self.register_parameter(name, own)
        output = (sizes.output or 0) if output_projection else None
        self.out_proj = None if output is None else nn.Linear(value, output, bias)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        for name, parameter in self.named_parameters():
            if name == "p_norm_weight":
                nn.init.ones_(parameter)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.normal_(parameter, std=STD)

    def map_of(self, role: Role) -> tuple[Tensor, Tensor | None]:
        """Weight and bias of the map of a role that is projected."""
        rows, packed = self.rows[role], self.in_proj_weight
        own = f"{LETTERS[role]}_proj_weight"
        weight = self.get_parameter(own) if packed is None else packed[rows]
        return weight, None if self.in_proj_bias is None else self.in_proj_bias[rows]

    def forward(
        self, state: Tensor, stored: Tensor, projection: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Each role, `(B, rows, width)`, as `(B, H, rows, width)`; the bias pattern at the end."""
        if self.connected:
            projection = linear(projection, *self.map_of("stored"))
        state, stored = self._heads("state", state), self._heads("stored", stored)
        projection = self._heads("projection", projection)
        if self.normalize:
            state, stored = self._normed(state), self._normed(stored)
        if self.bias_k is not None and self.bias_v is not None:
            stored, projection = _followed(stored, self.bias_k), _followed(projection, self.bias_v)
        return state, stored, projection

    def _heads(self, role: Role, tensor: Tensor) -> Tensor:
        if role in self.shared:
            return tensor.unsqueeze(1).expand(-1, self.num_heads, -1, -1)
        if role in self.rows:
            tensor = linear(tensor, *self.map_of(role))
        return tensor.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def _normed(self, heads: Tensor) -> Tensor:
        weight, bias = self.p_norm_weight, self.p_norm_bias
        return layer_norm(heads, heads.shape[-1:], weight, bias, self.eps)


def _followed(patterns: Tensor, last: Tensor) -> Tensor:
    """Patterns `(B, H, N, w)` with one more for each head, `(1, 1, H · w)`, at the end."""
    batch, heads, _, width = patterns.shape
    last = last.view(1, heads, 1, width).expand(batch, -1, -1, -1)
    return torch.cat([patterns, last.to(patterns.dtype)], -2)
