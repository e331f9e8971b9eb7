"""The layer written out: eq. 10 and eq. 3 of Ramsauer et al. 2020 in plain operations."""

import torch

import hopfield
from hopfield.nn.space import ROLES
from hopfield.separation import resolve


def heads(tensor, width):
    return torch.stack(tensor.split(width, -1), -3)


def mapped(layer, role, tensor):
    """One role of one layer in Hopfield space, `(..., H or 1, rows, width)`."""
    space = layer.space
    if role in space.norms:
        tensor = space.norms[role](tensor)
    weights = space.by_role()

    def linear(role, tensor):
        if role in space.static:
            return tensor
        product = tensor @ weights[f"{role}.weight"].T
        return product + weights[f"{role}.bias"] if f"{role}.bias" in weights else product

    if role == "projection" and space.connected:
        tensor = linear("stored", tensor)
    tensor = heads(linear(role, tensor), space.widths[role])
    if role != "projection" and "hidden" in space.norms:
        tensor = space.norms["hidden"](tensor)
    return tensor


def forward(layer, state, stored=None, projection=None, visible=None, bias=0.0):
    """The output of a layer for a batch; `visible` and `bias` broadcast to `(B, H, S, N)`."""
    stored = state if stored is None else stored
    projection = stored if projection is None else projection
    inputs = dict(zip(ROLES, (state, stored, projection), strict=True))
    xi, x, v = (mapped(layer, role, tensor) for role, tensor in inputs.items())
    beta = layer.beta
    beta = beta.view(-1, 1, 1) if isinstance(beta, torch.Tensor) else beta
    separation = resolve(layer.separation)

    def weights(xi):
        scores = beta * (xi @ x.mT) + bias
        if visible is not None:
            scores = scores.masked_fill(~visible, -torch.inf)
        return separation.weights(scores)

    for _ in range(layer.steps - 1):
        xi = weights(xi) @ x
    readout = weights(xi) @ v
    if readout.shape[-3] == 1:
        readout = readout.expand(*readout.shape[:-3], layer.num_heads, *readout.shape[-2:])
    output = torch.cat(readout.unbind(-3), -1)
    return output if layer.out_proj is None else layer.out_proj(output)


def layer(*sizes, **options):
    """A float64 layer whose every parameter matters."""
    made = hopfield.Hopfield(*sizes, dtype=torch.float64, **options)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return made
