"""`RepertoireNetwork`: a repertoire is a set of stored patterns; learned states read it out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hopfield import _check
from hopfield.nn import HopfieldPooling
from hopfield.reduction.partial import Partial, merge
from hopfield.repertoire.embedding import JunctionEmbedding, Tables
from hopfield.repertoire.repertoire import Block, Repertoire

BLOCK = 65_536  # receptors that are embedded at once
KEPT = 2**21  # receptors of a batch, about half a kilobyte each; of more, blocks are computed again


@dataclass(frozen=True)
class Architecture:
    """The sizes of a `RepertoireNetwork`, and the genes that it knows.

    Attributes:
        v_genes: names; all others are one unknown gene.
        j_genes: likewise.
        outputs: numbers that the network gives for a repertoire.
        kernels: of the convolution over residues.
        kernel_size: residues that each sees: 3, 9 or 15.
        heads: of the pooling, each with its own β.
        queries: learned states of each head.
        v_size: width of the embedding of a V gene; 0 leaves V genes out.
        j_size: likewise of a J gene.
    """

    v_genes: tuple[str, ...]
    j_genes: tuple[str, ...]
    outputs: int = 1
    kernels: int = 32
    kernel_size: int = 9
    heads: int = 16
    queries: int = 2
    v_size: int = 8
    j_size: int = 4

    @property
    def states(self) -> int:
        """The learned states of all heads."""
        return self.heads * self.queries

    @property
    def width(self) -> int:
        """Of a stored pattern."""
        return self.kernels + self.v_size + self.j_size

    @property
    def sizes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the parameters of a network from which those of all others follow."""
        return {
            "junctions.bias": (self.kernels,),
            "v.weight": (len(self.v_genes) + 1, self.v_size),
            "j.weight": (len(self.j_genes) + 1, self.j_size),
            "head.weight": (self.outputs, self.states * (self.width + 1)),
        }


class RepertoireNetwork(nn.Module):
    """Hopfield pooling over all receptors of a repertoire.

    A receptor is a stored pattern: its junction seen by a convolution, beside learned vectors of
    its V and J gene. Its multiplicity c adds `γ log c` to its scores, γ learned from 0 on: at 0
    each distinct receptor counts once, at 1 each molecule. Learned states read out all receptors by
    one association (Ramsauer et al. 2020, arXiv 2008.02217; Widrich et al. 2020, arXiv 2007.13505).
    The read-outs and the log-partitions, which tell how many receptors answered a state, are
    standardised and mapped to the outputs.

    Args:
        architecture: sizes and genes.

    Attributes:
        junctions: the convolution.
        pooling: the learned states.
        head: the map to the outputs.
        mean, scale: of what is pooled, by which it is standardised; see `standardise`.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = self.architecture = architecture
        for name in ("outputs", "heads", "queries"):
            _check.positive_int(name, getattr(a, name))
        for name in ("v_size", "j_size"):
            if getattr(a, name) != 0:
                _check.positive_int(name, getattr(a, name))
        self.junctions = JunctionEmbedding(a.kernels, a.kernel_size)
        self.v = nn.Embedding(len(a.v_genes) + 1, a.v_size)
        self.j = nn.Embedding(len(a.j_genes) + 1, a.j_size)
        for genes in (self.v, self.j):
            nn.init.normal_(genes.weight, std=0.1)
        self.pooling = HopfieldPooling(
            a.width,
            quantity=a.queries,
            state_size=a.queries,
            num_heads=a.heads,
            static=("stored", "projection"),
            output_projection=False,
            bias=False,
            beta=1.0,
            learn_beta=True,
        )
        with torch.no_grad():  # a state is its row of the map: heads × queries free states
            self.pooling.state.copy_(torch.eye(a.queries))
        self.pooling.state.requires_grad_(False)
        self.set_states(torch.randn(a.states, a.width))
        self.multiplicity = nn.Parameter(torch.zeros(()))
        pooled = a.states * (a.width + 1)
        self.register_buffer("mean", torch.zeros(pooled))
        self.register_buffer("scale", torch.ones(pooled))
        self.head = nn.Linear(pooled, a.outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self._places = {
            "v": {name: i for i, name in enumerate(a.v_genes, 1)},
            "j": {name: i for i, name in enumerate(a.j_genes, 1)},
        }

    @torch.no_grad()
    def set_states(self, states: Float[Tensor, "states width"], beta: Tensor | None = None) -> None:
        """Set the learned states, head by head, and β `(heads,)`."""
        a = self.architecture
        by_head = states.view(a.heads, a.queries, a.width).mT
        cast(nn.Linear, self.pooling.hopfield.space.maps["state"]).weight.copy_(
            by_head.reshape(-1, a.queries)
        )
        if beta is not None:
            self.pooling.hopfield.beta = beta

    def forward(
        self, repertoires: Sequence[Repertoire], share: float | None = None
    ) -> Float[Tensor, "R outputs"]:
        """The outputs for some repertoires, one after the other: no prediction sees another.

        Args:
            repertoires: R of them, none empty.
            share: take that share of the receptors of each, those with the largest association,
                for all; by default all are taken.
        """
        return self.told(self.pool(repertoires, share))

    def told(self, pooled: Float[Tensor, "R pooled"]) -> Float[Tensor, "R outputs"]:
        """The outputs from what was pooled."""
        outputs: Tensor = self.head((pooled - self.mean) / self.scale)
        return outputs

    def pool(
        self, repertoires: Sequence[Repertoire], share: float | None = None
    ) -> Float[Tensor, "R pooled"]:
        """Read-outs, then log-partitions less those of states that see no difference."""
        tables = self.tables(repertoires)
        taken = repertoires
        if share is not None:
            taken = [self.most_associated(one, share, tables) for one in repertoires]
        again = sum(map(len, taken)) > KEPT and torch.is_grad_enabled()
        rows = []
        for repertoire, some in zip(repertoires, taken, strict=True):
            merged = self.associate(some, tables, again)
            rows.append(self.joined(merged, self.level(repertoire)))
        return torch.stack(rows)

    def level(self, repertoire: Repertoire) -> Float[Tensor, ""]:
        """The log-partition of a state to which all receptors are alike, with score 0."""
        return (self.multiplicity * repertoire.counts.to(self.mean).log()).logsumexp(0)

    def joined(self, merged: Partial, level: Tensor) -> Float[Tensor, " pooled"]:
        """What is pooled of one repertoire, from all that its states read out."""
        answered = merged.log_partition.flatten() - level
        return torch.cat([self.pooling.output(merged).flatten(), answered])

    @torch.no_grad()
    def most_associated(self, repertoire: Repertoire, share: float, tables: Tables) -> Repertoire:
        """That share of the receptors, by the largest association with any state."""
        largest = self.log_weights(repertoire, tables).amax(0).cpu()
        kept = max(round(share * len(repertoire)), 1)
        chosen = torch.zeros(len(repertoire), dtype=torch.bool)
        chosen[largest.topk(kept).indices] = True
        return repertoire.take(chosen)

    @torch.no_grad()
    def log_weights(
        self, repertoire: Repertoire, tables: Tables | None = None
    ) -> Float[Tensor, "states N"]:
        """The logarithm of the association of each state with each receptor."""
        tables = self.tables([repertoire]) if tables is None else tables
        scores = torch.cat(
            [
                self.states() @ self.stored(repertoire, block, tables).mT
                + self.bias(repertoire, block)
                for block in repertoire.blocks(BLOCK)
            ],
            1,
        )
        return scores.log_softmax(1)

    def states(self) -> Float[Tensor, "states width"]:
        """The learned states, each times its β."""
        a = self.architecture
        weight = cast(nn.Linear, self.pooling.hopfield.space.maps["state"]).weight
        by_head = weight.view(a.heads, a.width, a.queries).mT
        beta = cast(Tensor, self.pooling.hopfield.beta)
        return (beta[:, None, None] * by_head).reshape(a.states, a.width)

    def associate(self, repertoire: Repertoire, tables: Tables, again: bool = False) -> Partial:
        """What the states read out of all receptors: `(heads, queries, width)` and its partition.

        Args:
            repertoire: what is stored.
            tables: see `tables`.
            again: keep no block for backward; first the log-partition of all, then each block is
                computed again for its gradient. The result is the same.
        """

        def parts() -> Iterable[Partial]:
            for block in repertoire.blocks(BLOCK):
                run = partial(self._part, repertoire, block, tables)
                yield Partial(*(checkpoint(run, use_reentrant=False) if again else run()))

        return merge(parts())

    def _part(self, repertoire: Repertoire, block: Block, tables: Tables) -> tuple[Tensor, Tensor]:
        stored = self.stored(repertoire, block, tables)
        found = self.pooling.partial(stored, bias=self.bias(repertoire, block)[None])
        return found.readout, found.log_partition

    def tables(self, repertoires: Sequence[Repertoire]) -> Tables:
        """The convolution as look-ups, for the lengths of these repertoires."""
        longest = max(int(repertoire.lengths[-1]) for repertoire in repertoires)
        return self.junctions.tables(longest)

    def stored(
        self, repertoire: Repertoire, block: Block, tables: Tables
    ) -> Float[Tensor, "n width"]:
        """The receptors of a block as stored patterns."""
        genes = [
            self._known(kind, getattr(repertoire, f"{kind}_genes"))[
                getattr(repertoire, kind)[block.rows].long()
            ]
            for kind in ("v", "j")
        ]
        junctions = self.junctions(block.groups, tables)
        return torch.cat([junctions, self.v(genes[0]), self.j(genes[1])], 1)

    def bias(self, repertoire: Repertoire, block: Block) -> Float[Tensor, " n"]:
        """What its multiplicity adds to the scores of each receptor."""
        bias: Tensor = self.multiplicity * repertoire.counts[block.rows].to(self.mean).log()
        return bias

    def _known(self, kind: str, names: tuple[str, ...]) -> Tensor:
        places = self._places[kind]
        return torch.tensor([places.get(name, 0) for name in names], device=self.mean.device)
