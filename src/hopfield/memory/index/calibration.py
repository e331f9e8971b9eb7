"""`Calibration`: how far estimates by an index are off on held-out states, whose truth is known."""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

HELD = 0.97  # share of held-out states in the intervals: 95 % of others, which are not quite alike
SURE = 0.9  # how sure that share is, over the draw of the held-out states
FEWEST = 76  # below this no quantile is high enough for that
BUCKET = 200
SOME = 5  # states of a kind in a bucket, from where on that kind counts there
FLOOR = 1e-3  # in units of M, and of log Z: spreads below it are the same to intervals


@dataclass(frozen=True)
class Calibration:
    """By what spreads that estimates report are to be multiplied, to be 95 % intervals.

    States are told apart by how much weight is likely to lie in lists that were not scanned: each
    bucket has its own factors, so that intervals are wide where heavy patterns are missed, and only
    there.

    Attributes:
        edges: `(B − 1,)`, rising, where the next bucket begins.
        error: `(B,)`, of the error of the read-out.
        log_partition: `(B,)`, of that of log Z.
    """

    edges: Tensor
    error: Tensor
    log_partition: Tensor

    @classmethod
    def of(
        cls, kind: Tensor, unseen: Tensor, error: Tensor, log_partition: Tensor
    ) -> "Calibration":
        """The factors that held-out states show, `(Q,)` each.

        Args:
            kind: whole numbers; a factor is large enough for each kind of states by itself.
            unseen: what tells states apart.
            error: how often the read-out was off by its spread.
            log_partition: the same of log Z.
        """
        buckets = max(1, len(unseen) // BUCKET)
        edges = unseen.sort().values[torch.arange(1, buckets) * len(unseen) // buckets].unique()
        edges = edges[edges > unseen.amin()]
        ends = torch.cat([edges.new_tensor([-torch.inf]), edges, edges.new_tensor([torch.inf])])
        found: list[list[float]] = [[], []]
        for low, high in pairwise(ends.tolist()):
            outside = (low - unseen).clamp(min=0.0) + (unseen - high).clamp(min=0.0)
            inside = (unseen >= low) & (unseen < high)
            groups = [inside.nonzero().squeeze(-1)]
            for one in kind.unique():
                of_kind = (kind == one).nonzero().squeeze(-1)
                count = int(inside[of_kind].sum())
                if count >= SOME:  # with its nearest neighbours, where that is not enough
                    groups.append(of_kind[outside[of_kind].argsort()[: max(count, FEWEST)]])
            for ratio, factors in zip((error, log_partition), found, strict=True):
                factors.append(max(_quantile(ratio[group]) for group in groups))
        return cls(edges, torch.tensor(found[0]), torch.tensor(found[1]))

    def factors(self, unseen: Tensor) -> tuple[Tensor, Tensor]:
        """The factors of states, for the error of the read-out and of log Z."""
        bucket = torch.bucketize(unseen, self.edges, right=True)
        return self.error[bucket], self.log_partition[bucket]

    def as_json(self) -> dict[str, list[float]]:
        """As a manifest keeps it."""
        return {name: tensor.tolist() for name, tensor in asdict(self).items()}

    @classmethod
    def of_json(cls, kept: dict[str, Any]) -> "Calibration":
        """The inverse of `as_json`."""
        return cls(**{name: torch.tensor(values) for name, values in kept.items()})


def _quantile(ratios: Tensor) -> float:
    """What, with 90 % confidence, 97 % of such states stay below, whatever their distribution.

    The rank of an order statistic follows a binomial law; at least `FEWEST` ratios.
    """
    from scipy.stats import binom

    rank = min(int(binom.ppf(SURE, len(ratios), HELD)), len(ratios) - 1)
    return float(ratios.sort().values[rank])
