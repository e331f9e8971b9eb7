"""What statistics of heads say, in words with numbers."""

from collections.abc import Sequence

from hopfield.heads.statistics import Head, HeadStatistics
from hopfield.phases import HeadClass

# Where the paper found a class to predominate in the 12 layers of BERT (figure A.3), by the depth
# of a layer from 0 to 1.
STORY = (
    ("the first layer averages", HeadClass.I, 0.0, 0.0),
    ("layers 3 to 5 of 12 are in class II", HeadClass.II, 2 / 11, 4 / 11),
    ("layers 6 to 8 of 12 are in class IV", HeadClass.IV, 5 / 11, 7 / 11),
    ("the last layers are in class III", HeadClass.III, 10 / 11, 1.0),
)
FEW = 32  # patterns, of which class IV takes one at most


def summary(statistics: HeadStatistics) -> list[str]:
    """Sentences: classes, the depth story, averaging, sinks, fixed points, the Jacobian, notes."""
    heads = statistics.heads
    said = [_classes(heads), *_story(statistics), _averaging(heads)]
    if sinks := [head for head in heads if head.sink]:
        said.append(
            f"Special tokens, or the first one, have most of the weight of {_heads(sinks)} "
            f"({_named(sinks)}): sinks, not stored patterns."
        )
    return [*said, *_places(heads), _fixed(heads), _stretch(statistics), *notes(statistics)]


def notes(statistics: HeadStatistics) -> list[str]:
    """What keeps the classes from meaning here what they mean in the paper."""
    short = [heads[0].visible for heads in statistics.layers if heads[0].visible < FEW]
    if not short:
        return []
    low, high = f"{min(short):.1f}", f"{max(short):.1f}"
    return [
        f"Too short for class IV: in {len(short)} of {len(statistics.layers)} layers a state sees "
        f"{low if low == high else f'{low} to {high}'} patterns on average, and of fewer than "
        f"{FEW} even one is more than class IV allows; longer sequences are needed."
    ]


def _classes(heads: Sequence[Head]) -> str:
    counts = ", ".join(
        f"{sum(h.head_class == c for h in heads)} in class {c.name}" for c in HeadClass
    )
    layers = len({head.layer for head in heads})
    borderline = sum(head.borderline for head in heads)
    return (
        f"{_heads(heads)} in {layers} layers: {counts}. The intervals of {borderline} reach into "
        f"another class."
    )


def _story(statistics: HeadStatistics) -> list[str]:
    """The paper's depth story for BERT, told of this model: of the calls that read themselves."""
    layers = [heads for heads in statistics.layers if not heads[0].cross]
    if len(layers) < len(STORY):
        return [f"{len(layers)} layers are too few for the paper's story of depth."]
    said = []
    for claim, wanted, low, high in STORY:
        last = len(layers) - 1
        there = range(round(low * last), round(high * last) + 1)
        heads = [head for depth in there for head in layers[depth]]
        counts = {c: sum(head.head_class == c for head in heads) for c in HeadClass}
        most = max(count for c, count in counts.items() if c != wanted)
        holds = "So it is" if counts[wanted] > most else "Not so"
        holds = "Undecided" if counts[wanted] == most else holds
        shown = ", ".join(f"{count} in {c.name}" for c, count in counts.items() if count)
        which = ", ".join(str(layers[depth][0].layer) for depth in there)
        said.append(
            f"The paper's BERT: {claim}. {holds} here: of the "
            f"{len(heads)} heads at that depth (layer {which}, from 0), {shown}."
        )
    return said


def _averaging(heads: Sequence[Head]) -> str:
    broad = [head for head in heads if head.head_class == HeadClass.I]
    uniform = sum(head.kind == "near-uniform" for head in broad)
    return (
        f"In class I, {uniform} of {_heads(broad)} near uniform, {len(broad) - uniform} broad, but "
        f"weighted by content."
    )


def _places(heads: Sequence[Head]) -> list[str]:
    """Heads that look at the place before, or at what followed the same token."""
    said = []
    if before := [head for head in heads if head.previous > 0.5]:
        said.append(
            f"The token before has most of the weight of {_heads(before)} ({_named(before)}): a "
            f"place, which a Gaussian can stand for, whatever the class."
        )
    follow = [head for head in heads if head.induction > 2 * head.induction_chance + 0.05]
    if follow := sorted(follow, key=lambda head: -head.induction):
        said.append(
            f"What follows the same token elsewhere has more than twice the weight that chance "
            f"gives it in {_heads(follow)}, most of all in {_named(follow[:1])}: "
            f"{follow[0].induction:.2f}, where chance gives {follow[0].induction_chance:.2f}."
        )
    return said


def _fixed(heads: Sequence[Head]) -> str:
    few = [head for head in heads if head.head_class == HeadClass.IV and not head.sink]
    if not few:
        return "No head is in class IV, that of fixed points and of few patterns, but for sinks."
    one = sum(head.one * head.states for head in few) / sum(head.states for head in few)
    fixed = [head for head in few if head.kind == "fixed points"]
    return (
        f"In class IV, sinks left out, {one:.0%} of the states hold 90 % of their weight in one "
        f"pattern: {len(fixed)} of {_heads(few)} at fixed points for most states."
    )


def _stretch(statistics: HeadStatistics) -> str:
    found = {kind: mean for kind, (count, mean) in statistics.stretch().items() if count}
    shown = ", ".join(
        f"{mean:.3f} with k = 1" if kind == "one" else f"{mean:.3f} in class {kind}"
        for kind, mean in found.items()
    )
    most = max(found, key=lambda kind: found[kind])
    where = {"I": "averaging", "one": "single patterns"}.get(most, "metastable states")
    return f"The norm of the softmax Jacobian is largest in {where}: {shown}."


def _heads(heads: Sequence[Head]) -> str:
    return f"{len(heads)} head" + "s" * (len(heads) != 1)


def _named(heads: Sequence[Head], most: int = 8) -> str:
    shown = ", ".join(head.name for head in heads[:most])
    return shown + f" and {len(heads) - most} more" * (len(heads) > most)
