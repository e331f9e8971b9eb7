"""What the layers compute, without the layers: states in Hopfield space to their read-outs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from hopfield import _check
from hopfield.association import Association
from hopfield.errors import ArgumentError
from hopfield.network import DenseNetwork
from hopfield.retrieval import settle, warn_unconverged

MOST_STEPS = 10_000  # where a layer is told to go on until its states stop


def attend(
    state: Tensor,
    stored: Tensor,
    projection: Tensor,
    association: Association,
    *,
    bounds: list[int] | None = None,
    steps: int | Tensor | None = 1,
    tol: float | Tensor | None = None,
    backward: str = "unrolled",
) -> Tensor:
    """The read-out of `retrieve` for arguments that are checked already, with dropout.

    Args:
        state: `(..., H, S, d)`; with bounds `(..., H, B or 1, S, d)`.
        stored: `(..., H, N, d)`.
        projection: `(..., H, N, v)`.
        association: β, mask, bias and separation, and what the read-out drops.
        bounds: the offsets of bags.
        steps: associations, the read-out included; None: until the states stop, with a warning
            about those that do not.
        tol: stop a state that an update moves by no more.
        backward: "unrolled" or "implicit".

    Returns:
        `(..., H, S, v)`.
    """
    if torch.is_autocast_enabled(state.device.type):
        with one_dtype(state, stored, projection) as (state, stored, projection):
            limits: dict[str, Any] = {"steps": steps, "tol": tol, "backward": backward}
            return attend(state, stored, projection, association, bounds=bounds, **limits)
    tied = projection is stored and not association.dropout  # then the read-out is one more update
    network = DenseNetwork(association, None if tied else projection, stored, bounds)
    if tied:
        return _updated(network, state, steps, tol, backward)
    if isinstance(steps, Tensor) or steps != 1:
        state = before_readout(network, state, steps, tol, backward)
    return network.readout(state, "projection")


def before_readout(
    network: DenseNetwork,
    state: Tensor,
    steps: int | Tensor | None,
    tol: float | Tensor | None,
    backward: str,
) -> Tensor:
    """The states from which the last of the associations reads out."""
    return _updated(network, state, None if steps is None else steps - 1, tol, backward)


def _updated(
    network: DenseNetwork,
    state: Tensor,
    updates: int | Tensor | None,
    tol: float | Tensor | None,
    backward: str,
) -> Tensor:
    state = state.expand(*network.lead(state), *state.shape[-2:])
    updates = MOST_STEPS - 1 if updates is None else updates
    result = settle(network, state, updates, tol, backward)
    endless = (
        bool((updates >= MOST_STEPS - 1).any())
        if isinstance(updates, Tensor)
        else (updates == MOST_STEPS - 1)
    )
    if endless and result.run is not None:
        warn_unconverged(result.run)
    return result.state


def check_steps(steps: object, tol: object, backward: str) -> None:
    """What says when states stop."""
    _check.choice("backward", backward, ["unrolled", "implicit"])
    if steps is not None:
        _check.whole_numbers("steps", steps)
    if tol is not None:
        _check.tolerance("tol", tol)
        if isinstance(steps, int) and steps == 1:
            raise ArgumentError(
                "tol was given, but with steps=1 no state is updated before it reads out; "
                "use steps=2 or more, steps=None to go on until states stop, or tol=None"
            )
    elif steps is None or backward == "implicit":
        what = "steps=None" if steps is None else "backward='implicit'"
        raise ArgumentError(
            f"{what} needs tol: how little an update moves a state that has stopped"
        )


@contextmanager
def one_dtype(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Under autocast, its dtype for all tensors; the reduction itself knows where it needs more."""
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device):
        yield tensors
        return
    dtype = torch.get_autocast_dtype(device)
    with torch.autocast(device, enabled=False):
        yield tuple(tensor.to(dtype) for tensor in tensors)
