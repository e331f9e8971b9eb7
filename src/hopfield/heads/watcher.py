"""`Watcher`: the statistics of all heads of a model while it runs."""

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.linalg import vector_norm

from hopfield.errors import ArgumentError
from hopfield.heads.corpus import Batch
from hopfield.heads.observer import Call, HeadsObserver
from hopfield.heads.rows import rows
from hopfield.heads.surroundings import Surroundings
from hopfield.heads.tally import Seen, Tally
from hopfield.huggingface.attention import Heads

Array = NDArray[np.float64]
Mode = Literal["side", "exact", "sample"]


class Watcher(HeadsObserver):
    """Sums up what each call of attention associates, batch by batch.

    Args:
        model: a transformers model whose layers call attention through its interface.
        mode: "side": all states are looked at, and the model computes bit for bit what it does
            unobserved; "exact": all states, and the read-out comes from the weights that are
            looked at, which is faster; "sample": some states of each sequence, beside.
        sample: how many, in mode "sample".
        groups: of sequences that are summed up apart.
        seed: of the choice of states.

    Attributes:
        tallies: what was summed up of each call of attention.
        done: sequences in them.
        whole: whether these are in all of them; not so where adding them was interrupted.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        mode: Mode = "exact",
        sample: int = 32,
        groups: int = 50,
        seed: int = 0,
    ) -> None:
        super().__init__(model, sample=sample if mode == "sample" else None, seed=seed)
        self.mode, self.groups = mode, groups
        self.tallies: list[Tally] = []
        self.done, self.whole = 0, True

    def run(self, batch: Batch, number: int = 0) -> Any:
        """Run the model on a batch and add what was seen; its output.

        Args:
            batch: sequences.
            number: of the batch, for the choice of states.

        Raises:
            ArgumentError: the model calls no attention, or some that cannot be looked at.
        """
        self._seen: list[Tally] = []
        with torch.no_grad():
            output = super().run(batch, number)
        self._add()
        return output

    def see(self, call: Call) -> Tensor | None:
        heads, around = call.heads, call.around
        found = rows(heads, around.near, readout=self.mode == "exact" and call.attends)
        energy = _energy(heads, found["log_partition"], around, call.beta)
        seen = Seen(
            replace(found, readout=None),
            around.valid,
            around.visible,
            around.content,
            energy,
            around.reachable,
        )
        self._seen.append(Tally.of(call.module, call.beta, call.cross, seen))
        return found.readout

    def _add(self) -> None:
        """Only what a whole run has seen is added."""
        if not self.tallies:
            self.tallies = [tally.nothing(self.groups) for tally in self._seen]
        if [tally.module for tally in self.tallies] != [tally.module for tally in self._seen]:
            raise ArgumentError(
                f"the model called attention {len(self._seen)} times, but {len(self.tallies)} for "
                f"another batch; a model whose calls do not depend on its input is expected"
            )
        self.whole = False
        group = self._batch.group.numpy()
        for tally, seen in zip(self.tallies, self._seen, strict=True):
            tally.add(seen, np.repeat(group, len(seen.states) // len(group)))
        self._seen = []
        self.done += len(self._batch.group)
        self.whole = True


def _energy(heads: Heads, log_partition: Array, around: Surroundings, beta: Array) -> Array:
    """−lse/β + ½|ξ|² + log N/β + ½M², `(B, H, S)`: Ramsauer et al. 2020, eq. (2).

    N is what a state sees, M the largest norm of the patterns that any state of the sequence sees.
    """
    squares = vector_norm(heads.state.float(), dim=-1).double().square()
    norms = vector_norm(heads.stored.float(), dim=-1).double().square()
    if around.mask is not None:
        norms = norms.masked_fill(~around.mask.any(1)[:, None].to(norms.device), 0.0)
    ground = 0.5 * (squares + norms.amax(-1, keepdim=True)).numpy(force=True)
    gain = log_partition - np.log(np.maximum(around.visible, 1))[:, None]
    energy: Array = ground - gain / beta[:, None]
    return energy
