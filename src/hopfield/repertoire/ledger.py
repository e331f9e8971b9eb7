"""`Ledger`: which receptors have the best scores, over all repertoires."""

from dataclasses import dataclass, field

import polars as pl
import torch
from jaxtyping import Float
from torch import Tensor

from hopfield.repertoire.repertoire import Repertoire

RECEPTOR = ("junction_aa", "v_call", "j_call")
PENDING = 2_000_000  # receptors whose scores wait to be summed
KEPT = 1_000_000  # distinct receptors that are remembered, the best ones


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
        kept = highest(scores, min(self.top, int((scores > 0).sum())))
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


def highest(scores: Float[Tensor, " N"], number: int) -> Tensor:
    """That many receptors, those with the highest scores, as a mask `(N,)`."""
    kept = torch.zeros(len(scores), dtype=torch.bool)
    kept[scores.topk(number).indices] = True
    return kept
