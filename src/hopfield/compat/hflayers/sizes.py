"""The widths that follow from the arguments of hflayers."""

from collections.abc import Collection
from dataclasses import dataclass

from hopfield import _check
from hopfield.errors import ArgumentError, ShapeError
from hopfield.nn.space import ROLES, Role


@dataclass(frozen=True)
class Sizes:
    """The widths of a layer.

    Attributes:
        given: what the arguments say of each role; None where they do not.
        coming: of what comes in; None where any width will do.
        hidden: of a head of states and stored patterns; None where nothing is projected.
        pattern: of a head of projections.
        output: of the output. Where nothing is projected, both are as given.
        packed: whether hflayers keeps the maps as one matrix.
    """

    given: dict[Role, int | None]
    coming: dict[Role, int | None]
    hidden: int | None
    pattern: int | None
    output: int | None
    packed: bool


def resolve(
    *,
    input_size: int | None,
    stored_pattern_size: int | None,
    pattern_projection_size: int | None,
    hidden_size: int | None,
    pattern_size: int | None,
    output_size: int | None,
    num_heads: int,
    static: Collection[Role],
    connected: bool,
    output_projection: bool,
    in_space: bool,
) -> Sizes:
    """The widths that follow.

    Args:
        input_size: as given.
        stored_pattern_size: as given.
        pattern_projection_size: as given.
        hidden_size: as given.
        pattern_size: as given.
        output_size: as given.
        num_heads: H.
        static: the roles that are not projected.
        connected: whether the projections are made from projected stored patterns.
        output_projection: whether a map makes the output.
        in_space: whether something in Hopfield space, a norm or a bias pattern, needs its width.

    Raises:
        ArgumentError, ShapeError: a width is missing or does not fit.
    """
    given: dict[Role, int | None] = {
        "state": input_size,
        "stored": input_size if stored_pattern_size is None else stored_pattern_size,
        "projection": input_size if pattern_projection_size is None else pattern_projection_size,
    }
    arguments = {
        "input_size": input_size,
        "stored_pattern_size": stored_pattern_size,
        "pattern_projection_size": pattern_projection_size,
        "hidden_size": hidden_size,
        "pattern_size": pattern_size,
        "output_size": output_size,
        "num_heads": num_heads,
    }
    for name, size in arguments.items():
        if size is not None:
            _check.positive_int(name, size)
    if connected and given["stored"] != given["projection"]:
        raise ShapeError(
            f"pattern_projection_size is {given['projection']} but the pattern projection is "
            f"connected: it is made like the stored patterns, so {given['stored']} is expected"
        )
    packed = pattern_size is None and not connected and len({*given.values()}) == 1
    if len(static) == 3 and not (output_projection or connected or in_space):
        return Sizes(given, dict.fromkeys(ROLES), None, pattern_size, output_size, packed)
    if input_size is None:
        raise ArgumentError(
            "input_size is missing; only a layer that projects nothing, and whose patterns are "
            "all static, works without it"
        )
    if hidden_size is None:
        hidden_size, rest = divmod(input_size, num_heads)
        if rest:
            raise ShapeError(
                f"input_size {input_size} does not divide by num_heads {num_heads}; "
                f"change one of them, or set hidden_size"
            )
    pattern_size = hidden_size if pattern_size is None else pattern_size
    raw = None if {"state", "stored"} <= {*static} else hidden_size
    raws: dict[Role, int | None] = {
        "state": raw,
        "stored": raw,
        "projection": pattern_size if output_projection else None,
    }
    coming = {role: raws[role] if role in static else given[role] for role in ROLES}
    if connected and "stored" not in static:
        coming["projection"] = given["stored"]
    output = input_size if output_size is None else output_size
    return Sizes(given, coming, hidden_size, pattern_size, output, packed)
