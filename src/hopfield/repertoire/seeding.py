"""Where training begins: kernels, learned states and β from the screen.

Attention that starts at random gives a rare signal no more weight than its share of the receptors,
and so no gradient. Here each state starts on a k-mer that the screen found in the training rows.
"""

import math
from collections.abc import Sequence
from itertools import zip_longest

import torch
from torch import Tensor
from torch.nn.functional import selu

from hopfield.repertoire import kmers
from hopfield.repertoire.model import RepertoireNetwork
from hopfield.repertoire.repertoire import ALPHABET
from hopfield.repertoire.screen import PER, Screen

MATCH = 2.0  # the score of the k-mer, before SELU
MISS = 3.0  # what each residue that differs takes from it: SELU stays away from its flat end
RARE, COMMON = 0.5 / PER, 0.1  # shares of receptors, between which a state can tell how many


@torch.no_grad()
def seed_states(network: RepertoireNetwork, screens: Sequence[Screen]) -> int:
    """Give each k-mer that chance does not explain a kernel, and a state that looks for it.

    With e^s the weight of a receptor that has the k-mer over one that has not, a share r of such
    receptors holds half of the association where e^s = 1 / r. So a state starts between averaging,
    which does not see the signal, and a maximum, which does not count it. The screens of several
    tasks take turns.

    Returns:
        How many states were seeded: the first ones, each on the kernel of the same number. The
        others are random.
    """
    a, junctions = network.architecture, network.junctions
    chosen = [*seeds(screens).items()][: min(a.kernels, a.states)]
    if not chosen:
        return 0
    span = float(selu(torch.tensor(MATCH)) - selu(torch.tensor(MATCH - 2 * MISS)))
    states = torch.randn(a.states, a.width) / math.sqrt(a.width)
    for place, (feature, rate) in enumerate(chosen):
        letters = kmers.name(feature)
        start = (junctions.kernel_size - len(letters)) // 2
        junctions.weight[place] = 0
        for offset, letter in enumerate(letters):
            if letter != ".":
                junctions.weight[place, ALPHABET.index(letter), start + offset] = MISS
        junctions.bias[place] = MATCH - MISS * kmers.K
        states[place] = 0
        states[place, place] = math.log(1 / min(max(rate / PER, RARE), COMMON)) / span
    beta = states.view(a.heads, -1).norm(dim=1) / math.sqrt(a.queries)
    network.set_states(states / beta.repeat_interleave(a.queries)[:, None], beta)
    return len(chosen)


def seeds(screens: Sequence[Screen]) -> dict[int, float]:
    """The k-mers that chance does not explain and their rates; one for each kernel, in order."""
    found = [screen.beyond_chance() for screen in screens]
    pairs = [zip(screen.features, screen.rates, strict=True) for screen in found]
    return dict(pair for turn in zip_longest(*pairs) for pair in turn if pair is not None)


def own_features(network: RepertoireNetwork, seeded: int) -> Tensor:
    """Places, in what is pooled, of the log-partitions of the seeded states: soft counts."""
    a = network.architecture
    return a.states * a.width + torch.arange(seeded)
