"""Which patterns a state of a layer sees: padding, masks and causality brought to one mask."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from hopfield import _check
from hopfield.errors import DtypeError, ShapeError


def visible(
    scores: tuple[int, ...],
    padding_mask: Tensor | None,
    mask: Tensor | None,
    is_causal: bool,
    place: Tensor,
) -> Tensor | None:
    """One mask, True takes part, that broadcasts to the scores `(..., H, S, N)`; None: all do.

    `place`, `(N,)`, is where each pattern lies in its set.
    """
    seen = mask
    if seen is not None:
        if not isinstance(seen, Tensor) or seen.dtype != torch.bool:
            raise DtypeError(
                f"mask is {_described(seen)}; a bool tensor is expected, True where a pattern "
                f"takes part (what is added to the scores goes into bias)"
            )
        _fits("mask", seen, scores, place.device)
    if padding_mask is not None:
        shown = ~_checked_padding(padding_mask, scores, place.device)[..., None, None, :]
        seen = shown if seen is None else seen & shown
    if is_causal:
        triangle = place <= torch.arange(scores[-2], device=place.device)[:, None]
        seen = triangle if seen is None else seen & triangle
    return None if seen is None else seen.expand(*seen.shape[:-1], scores[-1])


def added(bias: Tensor | None, scores: tuple[int, ...], device: torch.device) -> Tensor | None:
    """A checked bias that broadcasts to the scores `(..., H, S, N)`."""
    if bias is None:
        return None
    if not isinstance(bias, Tensor) or not bias.is_floating_point():
        raise DtypeError(
            f"bias is {_described(bias)}; a floating tensor is expected "
            f"(True/False of what takes part goes into mask)"
        )
    _fits("bias", bias, scores, device)
    return bias.expand(*bias.shape[:-1], scores[-1])


def of_excluding(
    name: str, mask: Tensor | None, scores: tuple[int, ...]
) -> tuple[Tensor | None, Tensor | None]:
    """Mask and bias from one mask by PyTorch's convention: True leaves out, numbers are added.

    Args:
        name: what the user calls it.
        mask: `(S, N)` or `(batch · heads, S, N)`; bool, bytes, or floating.
        scores: the shape of the scores, `(*batch, H, S, N)`.

    Returns:
        A mask, True takes part, or a bias; `(S, N)` or `(*batch, H, S, N)`.

    Raises:
        ShapeError, DtypeError: it is no such mask.
    """
    if mask is None:
        return None, None
    if not isinstance(mask, Tensor):
        raise DtypeError(f"{name} is {_described(mask)}; a tensor is expected")
    each = torch.Size(scores[:-2]).numel()
    if mask.shape not in (scores[-2:], (each, *scores[-2:])):
        raise ShapeError(
            f"{name} has shape {_check.shape_of(mask)}; {scores[-2:]} is expected, or with batch "
            f"times heads = {each} before it"
        )
    if mask.dim() == 3:
        mask = mask.view(scores)
    if mask.is_floating_point():
        return None, mask
    return ~boolean(name, mask), None


def of_excluding_padding(
    name: str, mask: Tensor | None, scores: tuple[int, ...]
) -> tuple[Tensor | None, Tensor | None]:
    """Padding mask and bias from one mask `(*batch, N)` by PyTorch's convention.

    Raises:
        ShapeError, DtypeError: it is no such mask.
    """
    if mask is None:
        return None, None
    expected = (*scores[:-3], scores[-1])
    if isinstance(mask, Tensor) and mask.shape != expected:
        raise ShapeError(f"{name} has shape {_check.shape_of(mask)}; {expected} is expected")
    if isinstance(mask, Tensor) and mask.is_floating_point():
        return None, mask[..., None, None, :]
    return boolean(name, mask), None


def boolean(name: str, mask: Tensor) -> Tensor:
    """A mask of bools or bytes, as bools."""
    if not isinstance(mask, Tensor) or mask.dtype not in (torch.bool, torch.uint8):
        raise DtypeError(
            f"{name} is {_described(mask)}; bool (True leaves out) or floating (added) is expected"
        )
    return mask.bool()


def widened(tensor: Tensor | None, value: float, where: Tensor | None = None) -> Tensor | None:
    """A mask or bias over all patterns, with `value` for one more, which lies `where` it says."""
    if tensor is None:
        return None
    wide = pad(tensor, (0, 1), value=value)
    return wide if where is None else wide.index_select(-1, where)


def _checked_padding(padding_mask: Tensor, scores: tuple[int, ...], device: torch.device) -> Tensor:
    expected = (*scores[:-3], scores[-1])
    if not isinstance(padding_mask, Tensor) or padding_mask.dtype != torch.bool:
        raise DtypeError(
            f"padding_mask is {_described(padding_mask)}; a bool tensor is expected, True where "
            f"there is padding"
        )
    if padding_mask.shape != expected:
        raise ShapeError(
            f"padding_mask has shape {_check.shape_of(padding_mask)}; {expected} is expected: "
            f"one entry for each stored pattern"
        )
    _check_device("padding_mask", padding_mask, device)
    return padding_mask


def _fits(name: str, tensor: Tensor, scores: tuple[int, ...], device: torch.device) -> None:
    """Two dimensions, or all of the scores': with three, batch and heads could be confused."""
    right = tensor.dim() in (2, len(scores))
    sizes = zip(reversed(tensor.shape), reversed(scores), strict=False)
    if not right or any(size not in (1, wanted) for size, wanted in sizes):
        spelled = "(batch, heads, S, N)" if len(scores) == 4 else "(..., heads, S, N)"
        raise ShapeError(
            f"{name} has shape {_check.shape_of(tensor)}; {scores[-2:]} is expected, or what "
            f"broadcasts to {spelled} = {scores}: one for each sample is {name}[:, None], one for "
            f"each head {name}[None]"
        )
    _check_device(name, tensor, device)


def _check_device(name: str, tensor: Tensor, device: torch.device) -> None:
    if tensor.device != device:
        raise DtypeError(
            f"{name} is on {tensor.device} but state is on {device}; move it with "
            f"{name}.to(state.device)"
        )


def _described(value: object) -> str:
    return f"of dtype {value.dtype}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
