"""The locus of a cohort: which there are, and what was read with one locus alone."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from hopfield.errors import ArgumentError
from hopfield.repertoire.gather import Outcome, Problem, counted
from hopfield.repertoire.reading import Reading
from hopfield.repertoire.repertoire import LOCI, Repertoire


def loci(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many receptors there are of each locus that is found."""
    found = Counter[str]()
    for outcome in outcomes:
        if isinstance(outcome, Reading):
            found.update({locus: len(own) for locus, own in outcome.repertoires.items()})
    return {locus: found[locus] for locus in LOCI if found[locus]}


def only_locus(found: dict[str, int]) -> str:
    """The locus of a cohort that has one.

    Raises:
        ArgumentError: it has several.
    """
    if len(found) > 1:
        raise ArgumentError(
            f"the repertoires have receptors of {len(found)} loci, {counted(found)}; choose one "
            f"with locus (--locus), the others are left out then"
        )
    return next(iter(found))


def at_locus(name: str, outcome: Outcome, locus: str) -> Outcome:
    """What was read with one locus alone: receptors of others count as dropped."""
    if isinstance(outcome, Problem):
        return outcome
    others = {other: len(own) for other, own in outcome.repertoires.items() if other != locus}
    if locus not in outcome.repertoires:
        return Problem(name, outcome.path, f"it has no receptor of {locus}, but {counted(others)}")
    own = {locus: outcome.repertoires[locus]}
    dropped = {f"of {other}, another locus": count for other, count in others.items()}
    return replace(outcome, repertoires=own, dropped=outcome.dropped | dropped)


def one_locus(repertoires: Sequence[Repertoire]) -> str:
    """The locus that all have.

    Raises:
        ArgumentError: there are none, their loci differ, or one is empty.
    """
    found = sorted({repertoire.locus for repertoire in repertoires})
    if len(found) != 1:
        raise ArgumentError(
            f"the repertoires are of {len(found)} loci ({', '.join(found)}); one is expected"
        )
    if empty := [i for i, repertoire in enumerate(repertoires) if not len(repertoire)]:
        raise ArgumentError(
            f"{len(empty)} repertoires hold no receptor, the first is number {empty[0]}; leave "
            f"them out"
        )
    return found[0]
