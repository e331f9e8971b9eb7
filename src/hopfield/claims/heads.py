"""Sentences 5 and 6: heads of transformers, characterised; averaging first, metastable later."""

from collections.abc import Callable
from typing import Any

import numpy as np

from hopfield.claims.claim import Claim, Finding, Measured, Setting, Verdict, share
from hopfield.claims.model import load_model, read_text
from hopfield.phases import HeadClass
from hopfield.report import Figure

SEQUENCES, TOKENS = {True: 16, False: 200}, 256
WITHOUT = Finding(
    Verdict.NOT_TESTABLE,
    "No model was given. `hopfield claims --model FOLDER-OR-NAME --text FILE` looks at the heads "
    "of a transformers model (with the extra `heads`).",
)


def _with_heads(judge: Callable[[list[dict[str, Any]]], Finding]) -> Callable[[Setting], Finding]:
    """A check of the heads of the model, if there is one."""

    def check(setting: Setting) -> Finding:
        if setting.model is None or setting.text is None:
            return WITHOUT
        heads = setting.shared("heads", _heads, setting)
        found = judge(heads)
        return Finding(found.verdict, found.reason, found.numbers, {"heads": heads})

    return check


def _heads(setting: Setting) -> list[dict[str, Any]]:
    from hopfield.heads import probe

    assert setting.model is not None
    assert setting.text is not None
    source = load_model(setting.model)
    corpus = read_text(setting.model, setting.text, TOKENS, SEQUENCES[setting.quick])
    found = probe(
        source.model, source.processor, corpus, seed=setting.seed, progress=setting.progress
    )
    return [
        {
            "layer": head.layer,
            "head": head.head,
            "share": head.share,
            "low": head.share_low,
            "high": head.share_high,
            "class": int(head.head_class),
            "borderline": head.borderline,
            "kl": head.kl,
        }
        for head in found.heads
    ]


def _characterised(heads: list[dict[str, Any]]) -> Finding:
    sure = sum(not head["borderline"] for head in heads)
    found = share(
        "heads whose class is sure (the interval of k̄ lies in one class)", sure, len(heads)
    )
    counts = [sum(head["class"] == kind for head in heads) for kind in HeadClass]
    numbers = [found] + [
        Measured(f"heads of class {kind.name}", count)
        for kind, count in zip(HeadClass, counts, strict=True)
    ]
    several = sum(count > 0 for count in counts)
    good = found.value >= 0.9 and several > 1
    verdict = Verdict.REPRODUCES if good else Verdict.PARTLY if several > 1 else Verdict.DOES_NOT
    reason = f"{sure} of {len(heads)} heads are surely of one class; {several} classes occur."
    return Finding(verdict, reason, numbers)


def _by_depth(heads: list[dict[str, Any]]) -> Finding:
    layers = 1 + max(head["layer"] for head in heads)
    third = max(1, layers // 3)
    first = [head for head in heads if head["layer"] < third]
    later = [head for head in heads if head["layer"] >= third]

    def of(some: list[dict[str, Any]], *kinds: HeadClass) -> int:
        return sum(head["class"] in kinds for head in some)

    averaging = share(
        "first third of the layers: heads of class I", of(first, HeadClass.I), len(first)
    )
    beside = share("later layers: heads of class I", of(later, HeadClass.I), len(later))
    partial = share(
        "later layers: heads of classes II and III, metastable",
        of(later, HeadClass.II, HeadClass.III),
        len(later),
    )
    averages = averaging.value > 0.5 and averaging.value > beside.value
    metastable = partial.value > 0.5
    verdict = Verdict.DOES_NOT
    if averages or metastable:
        verdict = Verdict.REPRODUCES if averages and metastable else Verdict.PARTLY
    reason = (
        f"Of the heads of the first {third} of {layers} layers {averaging.value:.0%} average over "
        f"more than half of the tokens, of the later ones {beside.value:.0%}; "
        f"{partial.value:.0%} of the later ones are metastable. One model, so no more than an "
        f"example."
    )
    return Finding(verdict, reason, [averaging, beside, partial])


def draw(finding: Finding) -> dict[str, Figure]:
    """The share of patterns that each head rests on, by layer."""
    if "heads" not in finding.data:
        return {}
    from hopfield.plot.grids import grid

    heads = finding.data["heads"]
    layers, most = (1 + max(head[name] for head in heads) for name in ("layer", "head"))
    values = np.full((layers, most), np.nan)
    for head in heads:
        values[head["layer"], head["head"]] = head["share"]
    return {
        "share": Figure.drawn(
            lambda: grid(
                values,
                [str(n) for n in range(layers)],
                [str(n) for n in range(most)],
                "Share of the tokens that k̄ is",
                "head",
                "layer",
            ),
            "Median share of the visible tokens that hold 90 % of the weight: above 1/2 class I, "
            "above 1/8 II, above 1/32 III.",
            "A map of layers and heads.",
        )
    }


CHARACTERISED = Claim(
    "heads-characterised",
    "abstract, sentence 5; section 3",
    "Heads of transformers can be characterised by the kind of minimum that they work in.",
    "For the model that is given, the class of at least 90 % of its heads is sure (the 95 % "
    "interval of its k̄ lies within one class), and more than one class occurs. Partly: the latter "
    "alone.",
    _with_heads(_characterised),
)
DEPTH = Claim(
    "heads-by-depth",
    "abstract, sentence 6; section 3",
    "In the first layers heads prefer global averaging; in higher layers they average in part, by "
    "metastable states.",
    "For the model that is given: in the first third of the layers more than half of the heads "
    "are of class I, and a larger share than in the later ones; in the later ones more than half "
    "are of classes II and III. Partly: one of the two.",
    _with_heads(_by_depth),
    draw,
)
