"""The oracle: the reduction written out, for any separation and dtype. All others agree with it."""

from torch import Tensor
from torch.nn.functional import dropout

from hopfield.reduction.inputs import Inputs
from hopfield.separation import Separation


def refuses(inputs: Inputs, separation: Separation, log_partition: bool) -> str | None:
    """Takes everything."""
    return None


def reduce(
    inputs: Inputs, separation: Separation, log_partition: bool
) -> tuple[Tensor, Tensor | None]:
    """Scores, weights, read-out."""
    scores = inputs.scores()
    weights = separation.weights(scores)
    if inputs.dropout:
        weights = dropout(weights, inputs.dropout)
    readout = weights @ inputs.values.to(inputs.wide)
    return readout.to(inputs.state.dtype), separation.conjugate(scores) if log_partition else None
