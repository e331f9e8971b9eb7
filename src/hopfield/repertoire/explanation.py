"""`explain`: the receptors and motifs that a classifier's answer rests on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from hopfield import _check
from hopfield._text import printable
from hopfield.phases import PhaseLabel, count_holding, phase
from hopfield.repertoire.attribution import Attribution, attribute, blocks
from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.ledger import RECEPTOR, Ledger, highest
from hopfield.repertoire.model import RepertoireNetwork
from hopfield.repertoire.motifs import Motif, Windows, residue_counts
from hopfield.repertoire.question import Question
from hopfield.repertoire.repertoire import ALPHABET, Repertoire

CORE = 0.9  # of all that speaks for the output: the receptors that hold it are told and show motifs
ANONYMOUS = 5  # receptors that a motif must rest on to be shown where sequences are not
TELLING = 6  # clear residues of a motif, beyond which it would be a sequence
EACH = 1000  # receptors of a repertoire whose associations are told, at most


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a classifier's answers rest on.

    Attributes:
        target: what is told.
        output: the class that is explained; for a quantity its name.
        sequences: `junction_aa, v_call, j_call, score, rank`: distinct receptors that speak for
            the output, the best first.
        repertoires: a row for each repertoire: `repertoire_id`; `output` and `reference`, what the
            network says of it and of as many mean receptors: a logit, for several classes above
            their mean, or a quantity; `gap`, by how much the scores miss the difference; `weight`
            with which its scores are summed; its `receptors`; how many of them hold 90 % of what
            speaks for the output, `receptors_90`; the most telling `state`, what it adds,
            `state_adds`, how many receptors hold 90 % of its association, `state_90`, and its
            `phase`.
        associations: `repertoire_id, junction_aa, v_call, j_call, score, association`: for each
            repertoire, the best first, the receptors that hold 90 % of what speaks for the output
            (1000 at most): what each adds there, and the association that the most telling state
            has with it.
        motifs: those that the best receptors matter by, the most telling first.
        hidden: how many more motifs there are, which would show single sequences.
    """

    target: str
    output: str
    sequences: pl.DataFrame
    repertoires: pl.DataFrame
    associations: pl.DataFrame
    motifs: tuple[Motif, ...]
    hidden: int = 0

    def __str__(self) -> str:
        motifs = [f"motif {one.consensus or '(unclear)'}: {one.share:.0%}" for one in self.motifs]
        return "\n".join(map(printable, [*self.findings(), *motifs]))

    def findings(self) -> list[str]:
        """On how many receptors the answers rest, in words."""
        rows = self.repertoires.filter(pl.col("weight") >= pl.col("weight").max() / 2)
        middle = rows.select(pl.median("receptors", "receptors_90", "state_90"))
        count, speaking, seen = middle.row(0)
        gap = self.repertoires.select(pl.col("gap").abs().max()).item()
        held = f"of which {speaking:.0f} hold 90 % of what speaks for {self.output}"
        if not speaking:
            held = f"none of which speaks for {self.output}"
        hidden = (
            f"Left out, as it would show sequences: what has fewer than {ANONYMOUS} receptors or "
            f"more than {TELLING} clear residues, {self.hidden} of all motifs."
        )
        return [
            f"Of the {len(rows)} repertoires that count most, the middle one has {count:.0f} "
            f"receptors, {held}; its most telling state has 90 % of its association with "
            f"{seen:.0f}.",
            f"Scores miss the difference between output and reference by at most {gap:.2g}.",
            *([hidden] if self.hidden else []),
        ]

    def redacted(self) -> "Explanation":
        """The same without names of repertoires, and without sequences or motifs of a few."""
        names = self.repertoires["repertoire_id"]
        numbers = [str(number) for number in range(1, len(names) + 1)]
        hidden = pl.col("repertoire_id").replace_strict(names, numbers, return_dtype=pl.String)
        shown = [
            motif
            for motif in self.motifs
            if motif.receptors >= ANONYMOUS and len(motif.consensus.replace(".", "")) <= TELLING
        ]
        return replace(
            self,
            sequences=self.sequences.drop("junction_aa"),
            repertoires=self.repertoires.with_columns(hidden),
            associations=self.associations.drop("junction_aa").with_columns(hidden),
            motifs=tuple(replace(motif, seed=None) for motif in shown),
            hidden=len(self.motifs) - len(shown),
        )


def explain(
    classifier: RepertoireClassifier,
    repertoires: Sequence[Repertoire],
    *,
    task: int = 0,
    output: str | None = None,
    top: int = 50_000,
    progress: bool = False,
) -> Explanation:
    """Say which receptors, and which motifs in them, speak for an output.

    What each receptor adds in each repertoire is found by integrated gradients (see `attribute`),
    and summed over repertoires, each weighted by the probability that the classifier gives the
    class there: what speaks for it in a repertoire that does not have it counts little. For a
    quantity the weight is its unit.

    Args:
        classifier: that was fit.
        repertoires: which answers are to be explained; a `RepertoireDataset` or a list.
        task: which of the targets.
        output: one of its classes; by default the second of two.
        top: how many receptors are listed at most, and taken from each repertoire.
        progress: show a bar.

    Raises:
        ArgumentError: there is no such task or class, or none is named of more than two; or the
            repertoires are not such as the classifier knows.
    """
    classifier.check_known(repertoires)
    asked = Question.of(classifier.tasks_, task, output)
    network = classifier.network_.eval()
    ledger, rows, associations = Ledger(_check.positive_int("top", top)), [], []
    background = np.zeros(len(ALPHABET))
    windows: Windows | None = None
    names = getattr(repertoires, "ids", range(len(repertoires)))
    shown = tqdm(repertoires, "explaining", disable=not progress)
    for name, repertoire in zip(names, shown, strict=True):
        found = attribute(network, repertoire, asked.weights.to(network.mean))
        weight = asked.weight(found)
        ledger.add(repertoire, found.scores * weight)
        core = repertoire.take(highest(found.scores, _core(found.scores)))
        own = Windows.of(network, found.path.tables, core, weight * found.path.parts(core))
        windows = own if windows is None else windows + own
        background += residue_counts(repertoire)
        rows.append(
            {"repertoire_id": str(name)}
            | asked.said(found)
            | {"weight": weight}
            | _rests_on(network, repertoire, found)
        )
        associations.append(_associations(network, repertoire, found, str(name)))
    assert windows is not None
    return Explanation(
        asked.tasks.tasks[task].name,
        asked.output,
        ledger.ranked(),
        pl.DataFrame(rows),
        pl.concat(associations),
        windows.motifs((background + 1) / (background + 1).sum(), classifier.seeds_.texts),
    )


def _rests_on(
    network: RepertoireNetwork, repertoire: Repertoire, found: Attribution
) -> dict[str, Any]:
    """On how many receptors an answer rests."""
    state = found.most_telling
    parts = zip(*blocks(network, repertoire, found.path.tables), strict=True)
    with torch.no_grad():
        stored, bias = (torch.cat(part) for part in parts)
        rests = phase(network.states()[[state]], stored, beta=1.0, bias=bias[None])
    return {
        "receptors": len(repertoire),
        "receptors_90": _core(found.scores),
        "state": state,
        "state_adds": float(found.states[state]),
        "state_90": int(rests.k90),
        "phase": PhaseLabel(int(rests.label)).name.lower().replace("_", " "),
    }


def _associations(
    network: RepertoireNetwork, repertoire: Repertoire, found: Attribution, name: str
) -> pl.DataFrame:
    """The receptors that an answer rests on, the best first."""
    best = highest(found.scores, min(_core(found.scores), EACH))
    weights = network.log_weights(repertoire, found.path.tables)[found.most_telling].exp()
    frame = repertoire.take(best).frame().select(pl.lit(name).alias("repertoire_id"), *RECEPTOR)
    return frame.with_columns(
        score=pl.Series(found.scores[best].double().numpy()),
        association=pl.Series(weights.cpu()[best].double().numpy()),
    ).sort("score", descending=True, maintain_order=True)


def _core(scores: Float[Tensor, " N"]) -> int:
    """The fewest receptors that hold the core of all that speaks for the output."""
    return int(count_holding(scores.clamp(min=0), CORE))
