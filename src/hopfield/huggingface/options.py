"""What the layers of a transformers model compute in place of attention, and where that is said."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, TypedDict, Unpack

from torch import Tensor, nn

from hopfield import _check
from hopfield.association import Association
from hopfield.errors import ArgumentError
from hopfield.nn.attend import check_steps
from hopfield.separation import BY_NAME, Separation, resolve


class Options(TypedDict, total=False):
    """How the heads of a model associate; without any, it is attention.

    Attributes:
        steps: associations, the read-out included: `steps − 1` updates of the states come first. 1
            is attention; None goes on until the states stop, and warns about those that do not.
        tol: stop a state that an update moves by no more, in units of the head's space.
        separation: how scores become weights: a name, or an object; see `hopfield.Settings`.
        beta: β > 0 in place of the model's own scaling. None keeps it.
        beta_factor: a multiple of the model's own β, instead of `beta`.
        backward: "unrolled" or "implicit"; see `hopfield.retrieve`.
    """

    steps: int | None
    tol: float | None
    separation: str | Separation
    beta: float | None
    beta_factor: float | None
    backward: Literal["unrolled", "implicit"]


_ACTIVE: ContextVar[Options] = ContextVar("options")
_NONE: Options = {}


@contextmanager
def options(**given: Unpack[Options]) -> Iterator[None]:
    """Set options for what runs inside; they go before those of a config and of contexts around.

    Gradient checkpointing computes again in backward, which then must lie inside too.

    Example:
        >>> with hopfield.huggingface.options(steps=3, tol=1e-4):
        ...     output = model(**inputs)

    Args:
        **given: see `Options`. Those not given stay as they are.

    Raises:
        ArgumentError: an option is unknown or has a bad value. How options go together is checked
            where a layer meets them.
    """
    _check_each(given)
    token = _ACTIVE.set({**_ACTIVE.get(_NONE), **given})
    try:
        yield
    finally:
        _ACTIVE.reset(token)


def configure(target: Any, **given: Unpack[Options]) -> None:
    """Write options into the configs of a model, which are saved with it; earlier ones go.

    A layer reads `config.hopfield` of its own config, so that parts of a model may differ:
    `configure(model.vision_model, steps=3)`.

    Args:
        target: a model or a part of one, or a config; each with all that it contains.
        **given: see `Options`. A separation is given by name, because a config is saved as JSON;
            `options` takes objects too.

    Raises:
        ArgumentError: an option is unknown, has a bad value or does not go with another.
    """
    checked(given, 1.0)
    _check.choice("separation", given.get("separation", "softmax"), BY_NAME)
    configs = layer_configs(target) if isinstance(target, nn.Module) else [target]
    if not configs or not hasattr(configs[0], "_attn_implementation"):
        raise ArgumentError(f"a model or config of transformers is expected, not {target!r}")
    for config in configs:
        for part in _with_parts(config):
            part.hopfield = dict(given)


def layer_configs(model: nn.Module) -> list[Any]:
    """The configs from which layers read what attention they have, once each."""
    configs = [getattr(module, "config", None) for module in model.modules()]
    return list({id(it): it for it in configs if hasattr(it, "_attn_implementation")}.values())


def of_layer(layer: nn.Module, scaling: float | Tensor) -> tuple[Association, dict[str, Any]]:
    """The options of a layer whose own β is `scaling`, as `checked` gives them."""
    configured = getattr(getattr(layer, "config", None), "hopfield", None) or _NONE
    if not isinstance(configured, Mapping):
        raise ArgumentError(
            f"config.hopfield is {configured!r}; a dictionary like {{'steps': 3}} is expected"
        )
    return checked({**configured, **_ACTIVE.get(_NONE)}, scaling)


def checked(
    given: Mapping[str, Any], scaling: float | Tensor
) -> tuple[Association, dict[str, Any]]:
    """Options as an association, still without masks, and `steps`, `tol` and `backward`."""
    _check_each(given)
    result = {"steps": 1, "tol": None, "separation": "softmax", "backward": "unrolled", **given}
    check_steps(result["steps"], result["tol"], result["backward"])
    beta, factor = (result.pop(name, None) for name in ("beta", "beta_factor"))
    if beta is not None and factor is not None:
        raise ArgumentError(
            f"beta = {beta!r} and beta_factor = {factor!r} were given; one of them is expected: "
            f"beta replaces the model's own scaling, beta_factor multiplies it"
        )
    own = scaling if factor is None else scaling * factor
    separation = resolve(result.pop("separation"))
    association = Association(own if beta is None else beta, None, None, separation, "dot")
    return association, result


def _check_each(given: Mapping[str, Any]) -> None:
    """Each option by itself."""
    for name, value in given.items():
        _check.choice("an option", name, Options.__annotations__)
        if name == "separation":
            resolve(value)
        elif name == "backward":
            _check.choice(name, value, ["unrolled", "implicit"])
        elif value is not None:
            check = {"steps": _check.positive_int, "tol": _check.tolerance}
            check.get(name, _check.positive)(name, value)


def _with_parts(config: Any) -> list[Any]:
    """A config and the configs inside it."""
    parts = [getattr(config, name, None) for name in getattr(config, "sub_configs", ())]
    return [config, *(inner for part in parts if part is not None for inner in _with_parts(part))]
