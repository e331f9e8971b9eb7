"""`Probe`: how an index is asked."""

from dataclasses import dataclass

from hopfield import _check
from hopfield.errors import ArgumentError

GROUPS = 16  # of samples, whose scatter says how far their sum is off


@dataclass(frozen=True)
class Probe:
    """How an index is asked: which patterns are compared with each state.

    Attributes:
        lists: how many lists whole, the heaviest.
        samples: how many patterns of all other lists, at least 32.
        seed: of the sample. Its random numbers are those of the seed and of the state that
            retrieval starts from: the same again, whatever states come with it, and for all steps,
            so that states can converge; and independent from state to state.

    Raises:
        ArgumentError: a number out of range.
    """

    lists: int = 16
    samples: int = 1024
    seed: int = 0

    def __post_init__(self) -> None:
        _check.positive_int("lists", self.lists)
        _check.seed("seed", self.seed)
        if _check.positive_int("samples", self.samples) < 2 * GROUPS:
            raise ArgumentError(
                f"samples is {self.samples}; at least {2 * GROUPS} are needed to say how far off "
                f"an estimate is"
            )
