"""Where training begins: kernels, learned states and β from the screen.

Attention that starts at random gives a rare signal no more weight than its share of the receptors,
and so no gradient. Here each state starts on a k-mer that the screen found in the training rows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import torch
from torch import Tensor
from torch.nn.functional import selu

from hopfield.repertoire import kmers
from hopfield.repertoire.clones import Receptor
from hopfield.repertoire.model import Architecture, RepertoireNetwork
from hopfield.repertoire.repertoire import ALPHABET
from hopfield.repertoire.screen import PER, Screen

MATCH = 2.0  # the score of what a kernel looks for, before SELU
MISS = 3.0  # what each residue of a k-mer that differs takes from it: SELU is not yet flat there
MISS_OF_CLONE = 1.5  # likewise of a clone, of which one residue may differ
RARE, COMMON = 0.5 / PER, 0.1  # shares of receptors, between which a state can tell how many


@dataclass(frozen=True)
class Seeds:
    """What the first kernels begin with.

    Attributes:
        kmers: each with a kernel and a state of its own: the text, and its rate in the screen.
        clones: junctions, each with a kernel; one state together.
    """

    kmers: tuple[tuple[str, float], ...]
    clones: tuple[str, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """What each of the first kernels begins with."""
        return (*(text for text, _ in self.kmers), *self.clones)

    @property
    def states(self) -> int:
        """How many states are seeded, the first ones."""
        return len(self.kmers) + bool(self.clones)


def seeds(
    architecture: Architecture, screens: Sequence[Screen], clones: Sequence[Receptor] = ()
) -> Seeds:
    """The k-mers and clones that chance does not explain, as far as there are kernels and states.

    Clones get what kernels k-mers leave, at least half of them; the screens take turns.
    """
    a = architecture
    for_clones = min(len(clones), a.kernels // 2)
    pairs = [
        zip(found.features, found.rates, strict=True)
        for found in (screen.beyond_chance() for screen in screens)
    ]
    turns = (pair for turn in zip_longest(*pairs) for pair in turn if pair is not None)
    best = [(kmers.name(feature), float(rate)) for feature, rate in dict(turns).items()]
    best = best[: min(a.kernels - for_clones, a.states - (for_clones > 0))]
    junctions = [junction for junction, *_ in clones][: a.kernels - len(best)]
    return Seeds(tuple(best), tuple(junctions))


@torch.no_grad()
def seed_states(network: RepertoireNetwork, seeds: Seeds) -> None:
    """Let the first states look for what was found.

    With e^s the weight of a receptor that has a k-mer over one that has not, a share r of such
    receptors holds half of the association where e^s = 1 / r. So a state starts between averaging,
    which does not see the signal, and a maximum, which does not count it. The state of the clones
    looks for any of them, with up to one other residue. The states that are left are random.
    """
    a, first = network.architecture, len(seeds.kmers)
    states = torch.randn(a.states, a.width) / math.sqrt(a.width)
    for place, (text, rate) in enumerate(seeds.kmers):
        _look_for(network, place, text, MISS)
        share = min(max(rate / PER, RARE), COMMON)
        states[place] = 0
        states[place, place] = math.log(1 / share) / (_selu(MATCH) - _selu(-torch.inf))
    for kernel, junction in enumerate(seeds.clones, first):
        _look_for(network, kernel, junction, MISS_OF_CLONE)
    if seeds.clones:
        nearly = _selu(MATCH - MISS_OF_CLONE) - _selu(-torch.inf)
        states[first] = 0
        states[first, first : first + len(seeds.clones)] = math.log(1 / RARE) / nearly
    beta = states.view(a.heads, -1).norm(dim=1) / math.sqrt(a.queries)
    network.set_states(states / beta.repeat_interleave(a.queries)[:, None], beta)


def _look_for(network: RepertoireNetwork, kernel: int, text: str, miss: float) -> None:
    """Set a kernel to the middle of a text of residues, in which a dot is any."""
    weight, size = network.junctions.weight, network.junctions.kernel_size
    text = text[max(len(text) - size, 0) // 2 :][:size]
    start = (size - len(text)) // 2
    weight[kernel] = 0
    for place, letter in enumerate(text):
        if letter != ".":
            weight[kernel, ALPHABET.index(letter), start + place] = miss
    network.junctions.bias[kernel] = MATCH - miss * sum(letter != "." for letter in text)


def _selu(score: float) -> float:
    return float(selu(torch.tensor(score)))


def own_features(network: RepertoireNetwork, seeded: int) -> Tensor:
    """Places, in what is pooled, of the log-partitions of the seeded states: soft counts."""
    a = network.architecture
    return a.states * a.width + torch.arange(seeded)
