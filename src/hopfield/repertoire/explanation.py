"""`explain`: the receptors and motifs that a classifier's answer rests on."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.phases import PhaseLabel, count_holding, phase
from hopfield.repertoire.attribution import Attribution, attribute, blocks
from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.dataset import RepertoireDataset
from hopfield.repertoire.model import RepertoireNetwork
from hopfield.repertoire.motifs import Motif, Windows, residue_counts
from hopfield.repertoire.repertoire import ALPHABET, Repertoire
from hopfield.repertoire.tasks import Tasks

RECEPTOR = ("junction_aa", "v_call", "j_call")
PENDING = 2_000_000  # receptors whose scores wait to be summed
KEPT = 1_000_000  # distinct receptors that are remembered, the best ones
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
        return "\n".join([*self.findings(), *motifs])

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
    repertoires: Sequence[Repertoire] | RepertoireDataset,
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
        core = repertoire.take(_holding(found.scores, CORE))
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


@dataclass(frozen=True)
class Question:
    """What is explained: a class or a quantity.

    Attributes:
        tasks: all that the network tells.
        place: of the task among them.
        output: the class, or the name of the quantity.
        weights: `(outputs,)`, of what the network says.
    """

    tasks: Tasks
    place: int
    output: str
    weights: Tensor

    @classmethod
    def of(cls, tasks: Tasks, place: int, output: str | None) -> "Question":
        """The logit of a class (of several, above the mean of all), or a quantity."""
        if place not in range(len(tasks.tasks)):
            names = ", ".join(repr(task.name) for task in tasks.tasks)
            raise ArgumentError(f"task is {place!r}; a number below {len(tasks.tasks)}: {names}")
        task = tasks.tasks[place]
        if output is None and task.kind == "regression":
            output = task.name
        elif output is None and task.kind == "binary":
            output = task.classes[1]
        _check.choice("output", output, task.classes or (task.name,))
        assert output is not None
        own = torch.ones(1)
        if task.kind == "multiclass":
            own = torch.tensor([float(name == output) for name in task.classes])
            own -= own.mean()
        elif task.kind == "binary" and output == task.classes[0]:
            own = -own
        weights = [torch.zeros(one.outputs) for one in tasks.tasks]
        weights[place] = own
        return cls(tasks, place, output, torch.cat(weights))

    def weight(self, found: Attribution) -> float:
        """Of the scores in a repertoire: the probability of the class; the unit of a quantity."""
        task = self.tasks.tasks[self.place]
        if task.kind == "regression":
            return task.spread
        told = task.predictions(self.tasks.split(found.outputs[None])[self.place])
        return float(told[0, task.classes.index(self.output)])

    def said(self, found: Attribution) -> dict[str, float]:
        """What the network says of a repertoire and its reference, in the unit of a quantity."""
        task = self.tasks.tasks[self.place]
        return {
            "output": found.output * task.spread + task.mean,
            "reference": found.reference * task.spread + task.mean,
            "gap": found.gap * task.spread,
        }


@dataclass
class Ledger:
    """The scores of distinct receptors, summed over repertoires in bounded memory.

    Attributes:
        top: receptors with the best positive scores that are taken from each repertoire.
        pending: scores that are not summed yet.
    """

    top: int
    pending: list[pl.DataFrame] = field(default_factory=list)

    def add(self, repertoire: Repertoire, scores: Float[Tensor, " N"]) -> None:
        """Take the best receptors of a repertoire."""
        kept = _best(scores, min(self.top, int((scores > 0).sum())))
        frame = repertoire.take(kept).frame().select(RECEPTOR)
        self.pending.append(frame.with_columns(score=pl.Series(scores[kept].double().numpy())))
        if sum(map(len, self.pending)) > PENDING:
            self.pending = [self.summed().head(max(KEPT, self.top))]

    def summed(self) -> pl.DataFrame:
        """Each receptor once, the best first."""
        together = pl.concat(self.pending).group_by(RECEPTOR).agg(pl.col("score").sum())
        return together.sort("score", *RECEPTOR, descending=[True, False, False, False])

    def ranked(self) -> pl.DataFrame:
        """The best receptors, with their rank from 1 on."""
        best = self.summed().head(self.top)
        return best.with_columns(rank=pl.int_range(1, pl.len() + 1))


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
        "receptors_90": int(count_holding(found.scores.clamp(min=0), 0.9)),
        "state": state,
        "state_adds": float(found.states[state]),
        "state_90": int(rests.k90),
        "phase": PhaseLabel(int(rests.label)).name.lower().replace("_", " "),
    }


def _associations(
    network: RepertoireNetwork, repertoire: Repertoire, found: Attribution, name: str
) -> pl.DataFrame:
    """The receptors that an answer rests on, the best first."""
    number = min(int(count_holding(found.scores.clamp(min=0), CORE)), EACH)
    best = _best(found.scores, number)
    weights = network.log_weights(repertoire, found.path.tables)[found.most_telling].exp()
    frame = repertoire.take(best).frame().select(pl.lit(name).alias("repertoire_id"), *RECEPTOR)
    return frame.with_columns(
        score=pl.Series(found.scores[best].double().numpy()),
        association=pl.Series(weights.cpu()[best].double().numpy()),
    ).sort("score", descending=True, maintain_order=True)


def _holding(scores: Float[Tensor, " N"], share: float) -> Tensor:
    """The fewest receptors that hold a share of all that speaks for the output."""
    return _best(scores, int(count_holding(scores.clamp(min=0), share)))


def _best(scores: Float[Tensor, " N"], number: int) -> Tensor:
    """That many receptors with the highest scores, as a mask `(N,)`."""
    kept = torch.zeros(len(scores), dtype=torch.bool)
    kept[scores.topk(number).indices] = True
    return kept
