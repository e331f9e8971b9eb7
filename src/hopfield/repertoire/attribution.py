"""Attribution: what each receptor adds to what a network says of a repertoire.

Integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365) in the space of stored patterns.
The path begins where every receptor is the mean stored pattern of the repertoire, so that none
stands out, and goes straight to the receptors as they are. What they add then sums to what sets the
output apart from that of the beginning.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hopfield.errors import ConvergenceWarning
from hopfield.reduction.partial import Partial
from hopfield.repertoire.embedding import Tables
from hopfield.repertoire.model import RepertoireNetwork
from hopfield.repertoire.repertoire import Repertoire

COMPLETE = 0.01  # of the difference between the two outputs, which may be missed
NEGLIGIBLE = 1e-3  # of an output, which is a logit or standardised
FEWEST, MOST = 16, 256  # nodes on the path
BLOCK = 8192  # receptors at once: what is computed of them stays near the processor


@dataclass(frozen=True, eq=False)
class Attribution:
    """What the receptors of a repertoire add to an output.

    Attributes:
        scores: `(N,)`, what each adds.
        outputs: `(outputs,)`, all that the network says of the repertoire.
        output: their weighted sum.
        reference: the same if all receptors were the mean one.
        states: `(states,)`, what the read-out of each state adds; they sum to the same.
        path: from the reference to the repertoire.
    """

    scores: Float[Tensor, " N"]
    outputs: Float[Tensor, " outputs"]
    output: float
    reference: float
    states: Float[Tensor, " states"]
    path: "Path"

    @property
    def most_telling(self) -> int:
        """The state whose read-out adds or takes away most."""
        return int(self.states.abs().argmax())

    @property
    def gap(self) -> float:
        """By how much the scores miss the difference of output and reference."""
        return float(self.scores.double().sum()) - (self.output - self.reference)


class Slopes(NamedTuple):
    """How an output grows with what states read out, and with their log-partitions.

    Attributes:
        readout: `(states, width)`.
        log_partition: `(states,)`.
    """

    readout: Float[Tensor, "states width"]
    log_partition: Float[Tensor, " states"]


class Origin(NamedTuple):
    """Where a path begins, and bounds that keep exponentials small.

    Attributes:
        mean: `(width,)`, the mean stored pattern.
        reach: `(states,)`, how far the score of a receptor rises above that of the mean.
        loudest: the largest bias.
    """

    mean: Float[Tensor, " width"]
    reach: Float[Tensor, " states"]
    loudest: Float[Tensor, ""]


@dataclass(frozen=True, eq=False)
class Path:
    """The path from the mean receptor to those of a repertoire, at M nodes (Gauss-Legendre).

    At x̄ + α δ a state ξ gives a receptor the association p ∝ exp(α u + b), u = ξ·δ. An output that
    grows with the read-out by g and with the log-partition by c grows with α by what each receptor
    adds: p (g·δ + u (c + α (g·δ − Σ p g·δ))), summed over states.

    Attributes:
        network: that reads out.
        tables: of its convolution.
        slopes: of the output.
        origin: where it begins.
        places: `(M,)`, α.
        weights: `(M,)`, of the nodes.
        partitions: `(M, states)`, Σ exp(α u + b), relative to the bound.
        means: `(M, states)`, Σ p g·δ.
    """

    network: RepertoireNetwork
    tables: Tables
    slopes: Slopes
    origin: Origin
    places: tuple[float, ...]
    weights: tuple[float, ...]
    partitions: Float[Tensor, "M states"]
    means: Float[Tensor, "M states"]

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        network: RepertoireNetwork,
        repertoire: Repertoire,
        tables: Tables,
        slopes: Slopes,
        origin: Origin,
        nodes: int,
    ) -> "Path":
        """The path of a repertoire: what its receptors have in common, summed over all of them."""
        places, weights = np.polynomial.legendre.leggauss(nodes)
        path = cls(
            network,
            tables,
            slopes,
            origin,
            tuple(((places + 1) / 2).tolist()),
            tuple((weights / 2).tolist()),
            torch.zeros(nodes, len(origin.reach), dtype=torch.float64, device=origin.mean.device),
            torch.zeros(nodes, len(origin.reach), dtype=torch.float64, device=origin.mean.device),
        )
        for stored, bias in blocks(network, repertoire, tables):
            rises, leans = path._apart(stored)
            for node, place in enumerate(path.places):
                share = path._relative(rises, bias, place)
                path.partitions[node] += share.sum(1)
                path.means[node] += (share * leans).sum(1)
        path.means.div_(path.partitions)
        return path

    @torch.no_grad()
    def totals(self, repertoire: Repertoire) -> tuple[Tensor, Tensor]:
        """What each receptor adds, `(N,)`, and what each state adds, `(states,)`.

        Args:
            repertoire: that of the path, or some of its receptors.
        """
        scores, states = [], torch.zeros_like(self.means[0])
        for stored, bias in blocks(self.network, repertoire, self.tables):
            rises, leans = self._apart(stored)
            of_rise, of_lean = self._integrals(rises, leans, bias)
            added = of_rise.mul_(rises).addcmul_(of_lean, leans)
            scores.append(added.sum(0).cpu())
            states += added.sum(1)
        return torch.cat(scores), states

    @torch.no_grad()
    def parts(self, repertoire: Repertoire) -> Float[Tensor, "N width"]:
        """What each part of each stored pattern adds: kernels, then V gene, then J gene.

        Args:
            repertoire: that of the path, or some of its receptors.
        """
        found = []
        for stored, bias in blocks(self.network, repertoire, self.tables):
            of_rise, of_lean = self._integrals(*self._apart(stored), bias)
            slope = of_rise.mT @ self.network.states() + of_lean.mT @ self.slopes.readout
            found.append((slope * (stored - self.origin.mean)).cpu())
        return torch.cat(found)

    def _apart(self, stored: Tensor) -> tuple[Tensor, Tensor]:
        """Of receptors u and g·δ, `(states, n)` each."""
        apart = (stored - self.origin.mean).mT
        return self.network.states() @ apart, self.slopes.readout @ apart

    def _relative(self, rises: Tensor, bias: Tensor, place: float) -> Tensor:
        """exp(α u + b) relative to its bound, `(states, n)`."""
        bound = (place * self.origin.reach + self.origin.loudest)[:, None]
        return (place * rises + (bias - bound)).exp_()

    def _integrals(self, rises: Tensor, leans: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """The integrals of p (c + α (g·δ − Σ p g·δ)) and of p over the path, `(states, n)` each."""
        constant, linear, plain = (torch.zeros_like(rises) for _ in range(3))
        answer = self.slopes.log_partition.double()
        for node, (place, weight) in enumerate(zip(self.places, self.weights, strict=True)):
            share = self._relative(rises, bias, place)
            scale = weight / self.partitions[node]
            for into, factor in (
                (plain, scale),
                (linear, scale * place),
                (constant, scale * (answer - place * self.means[node])),
            ):
                into.addcmul_(share, factor.to(share)[:, None])
        return constant.addcmul_(linear, leans), plain


@torch.no_grad()
def attribute(
    network: RepertoireNetwork, repertoire: Repertoire, weights: Float[Tensor, " outputs"]
) -> Attribution:
    """What the receptors of a repertoire add to a weighted sum of what a network says of it.

    Nodes are doubled until the states together miss at most 1 % of the difference between output
    and reference, or a thousandth. Memory for each receptor is that of its score.

    Args:
        network: as trained.
        repertoire: not empty.
        weights: of the outputs of the network.

    Warns:
        ConvergenceWarning: 256 nodes miss more.
    """
    tables, level = network.tables([repertoire]), network.level(repertoire)
    origin, scores = _origin(network, repertoire, tables)
    merged = network.associate(repertoire, tables)
    of_mean = Partial(
        origin.mean.expand_as(merged.readout), scores.view_as(merged.log_partition) + level
    )
    told = [network.told(network.joined(one, level)) for one in (merged, of_mean)]
    output, reference = (float(outputs @ weights) for outputs in told)
    slopes = _slopes(network, merged, weights)
    states = (slopes.readout * (merged.readout - of_mean.readout).flatten(0, 1)).sum(1)
    states += slopes.log_partition * (merged.log_partition - of_mean.log_partition).flatten()
    allowed = max(COMPLETE * abs(output - reference), NEGLIGIBLE)
    nodes, missed = FEWEST // 2, torch.inf
    while missed > allowed and nodes < MOST:
        nodes *= 2
        path = Path.of(network, repertoire, tables, slopes, origin, nodes)
        added, by_state = path.totals(repertoire)
        missed = float((by_state - states).abs().sum())
    if missed > allowed:
        warnings.warn(
            f"what {len(repertoire)} receptors add misses {missed:.2g} of "
            f"{output - reference:.2g}, with {MOST} nodes on the path",
            ConvergenceWarning,
            stacklevel=2,
        )
    return Attribution(added, told[0].cpu(), output, reference, states.cpu(), path)


def blocks(
    network: RepertoireNetwork, repertoire: Repertoire, tables: Tables
) -> Iterator[tuple[Tensor, Tensor]]:
    """Stored patterns and biases of the receptors, block by block."""
    for block in repertoire.blocks(BLOCK):
        yield network.stored(repertoire, block, tables), network.bias(repertoire, block)


def _origin(
    network: RepertoireNetwork, repertoire: Repertoire, tables: Tables
) -> tuple[Origin, Tensor]:
    """The mean receptor, and its scores with all states."""
    total: Tensor = torch.zeros_like(network.states()[0], dtype=torch.float64)
    highest, loudest = [], []
    for stored, bias in blocks(network, repertoire, tables):
        total += stored.sum(0)
        highest.append((network.states() @ stored.mT).amax(1))
        loudest.append(bias.amax())
    mean = (total / len(repertoire)).to(network.mean)
    scores = network.states() @ mean
    return Origin(mean, torch.stack(highest).amax(0) - scores, torch.stack(loudest).amax()), scores


def _slopes(network: RepertoireNetwork, merged: Partial, weights: Tensor) -> Slopes:
    """How the output grows with what is read out: the same everywhere, as the head is linear."""
    with torch.enable_grad():
        readout, log_partition = ends = [
            one.detach().requires_grad_() for one in (merged.readout, merged.log_partition)
        ]
        level = log_partition.new_zeros(())
        output = network.told(network.joined(Partial(readout, log_partition), level)) @ weights
        of_readout, of_log_partition = torch.autograd.grad(output, ends)
    return Slopes(of_readout.flatten(0, 1), of_log_partition.flatten())
