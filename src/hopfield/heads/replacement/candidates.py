"""What each head may be replaced by."""

from collections.abc import Callable, Iterable, Mapping

from hopfield.heads.replacement.fit import fit_gaussian
from hopfield.heads.replacement.gaussian import GaussianAttention
from hopfield.heads.replacement.replacement import MeanOutput, Replacement, Uniform, Zero
from hopfield.heads.replacement.statistics import LayerStatistics

KINDS: dict[str, type[Replacement]] = {
    one.kind: one for one in (GaussianAttention, Uniform, MeanOutput, Zero)
}
# Replacements by the name of a layer, the number of a head and the kind.
Candidates = Mapping[str, Mapping[int, Mapping[str, Replacement]]]


def candidates_of(
    statistics: Mapping[str, LayerStatistics], kinds: Iterable[str], positions: int | None = None
) -> dict[str, dict[int, dict[str, Replacement]]]:
    """Replacements of each head by each kind, fitted to what was summed up.

    Args:
        statistics: as `gather` gives them.
        kinds: of replacements; heads that attend to another sequence have no "gaussian".
        positions: the longest sequence that they are for; default: the longest that was seen.
    """
    make: dict[str, Callable[[LayerStatistics, int], Replacement]] = {
        "gaussian": lambda own, head: fit_gaussian(own, head, positions),
        "uniform": lambda own, head: Uniform(),
        "mean": lambda own, head: MeanOutput(own.mean_readout()[head]),
        "zero": lambda own, head: Zero(),
    }
    return {
        name: {
            head: {
                kind: make[kind](own, head)
                for kind in kinds
                if kind != "gaussian" or not own.layer.cross
            }
            for head in range(own.layer.heads)
        }
        for name, own in statistics.items()
    }
