"""What is summed up of the rows of one call of attention: its size does not grow with the text."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hopfield.heads.rows import FIELDS, Rows

Array = NDArray[np.float64]

BINS = 1024  # of k as a share of the visible patterns: (0, 1/1024] is the first
MEANS = (  # what is averaged over states
    *("visible", "k", "log_partition", "energy", "entropy", "entropy_share", "kl", "jacobian"),
    *("jacobian_beta", "heaviest", "one", "special", "first", "own", "previous"),
    *("matches", "matched"),
)
KINDS = ("I", "II", "III", "IV", "one")  # of states, by k; those with k = 1 are not in IV

BY_GROUP = ("states", "sums", "shares", "contents", "matching")  # what is summed up by groups


@dataclass(frozen=True)
class Seen:
    """What was seen of S states of a batch, in one call of attention.

    Attributes:
        rows: their statistics.
        valid: `(B, S)`, False where there is padding.
        visible: `(B, S)`, how many patterns a state sees.
        content: `(B, S)`, how many of them are not special.
        energy: `(B, H, S)`.
        reachable: see `Tally`, with N in place of W; None where there are no distances.
    """

    rows: Rows
    valid: NDArray[np.bool_]
    visible: NDArray[np.int64]
    content: NDArray[np.int64]
    energy: Array
    reachable: Array | None


@dataclass
class Tally:
    """Sums over the states of one call of attention, for G groups of sequences and H heads.

    Attributes:
        module: the name of the module that calls.
        beta: of the scores, `(H,)`.
        cross: whether states and stored patterns are of different sequences.
        states: `(G,)`, how many there are.
        sums: `(G, H, 17)`, in the order of `MEANS`.
        shares: `(G, H, 1025)`, how often k is so many 1024ths of the visible patterns, rounded up.
        contents: the same without special patterns; 0 where these hold all of the weight.
        matching: `(G,)`, states whose token comes before some visible pattern.
        kinds: `(H, 5)`, states of each of `KINDS`.
        stretch: `(H, 5)`, the sum of their Jacobian norms, without β.
        profile: `(H, 2W − 1)`, the weight at each distance from −(W − 1) to W − 1, for the longest
            sequence so far, of W.
        reachable: `(2, 2W − 1)`: how often a pattern was visible at that distance, and the sum of
            the weights that it would have had if weights were uniform.
    """

    module: str
    beta: Array
    cross: bool
    states: NDArray[np.int64]
    sums: NDArray[np.float64]
    shares: NDArray[np.integer]
    contents: NDArray[np.integer]
    matching: NDArray[np.int64]
    kinds: NDArray[np.int64]
    stretch: NDArray[np.float64]
    profile: NDArray[np.float64]
    reachable: NDArray[np.float64]

    @classmethod
    def of(cls, module: str, beta: Array, cross: bool, seen: Seen) -> "Tally":
        """What was seen of a batch, each of its sequences a group.

        Args:
            module: the name of the module that calls.
            beta: of the scores, `(H,)`.
            cross: whether states and stored patterns are of different sequences.
            seen: of the batch.
        """
        found, valid = seen.rows, seen.valid[:, None]
        visible = np.maximum(seen.visible[:, None].astype(float), 1.0)
        of = {name: found[name] for name in FIELDS}
        most = np.log(visible)
        share, matched = of["k"] / visible, of["matches"][:, 0] > 0
        means = of | {
            "visible": np.broadcast_to(visible, share.shape),
            "energy": seen.energy,
            "entropy_share": of["entropy"] / np.where(most > 0, most, 1.0),
            "kl": np.maximum(most - of["entropy"], 0.0),
            "jacobian_beta": of["jacobian"] * beta[:, None],
            "one": of["k"] == 1,
            "matches": of["matches"] / visible,
        }
        kind = kinds(of["k"], visible)
        of_kind = [(kind == number) & valid for number in range(len(KINDS))]
        content = of["k_content"] / np.maximum(seen.content[:, None], 1)
        somewhere = seen.reachable is not None
        return cls(
            module,
            beta,
            cross,
            seen.valid.sum(-1),
            np.stack([means[name].sum(-1, where=valid) for name in MEANS], -1),
            _histograms(share, valid),
            _histograms(content, valid),
            (matched & seen.valid).sum(-1),
            np.stack([there.sum((0, -1)) for there in of_kind], -1),
            np.stack([of["jacobian"].sum((0, -1), where=there) for there in of_kind], -1),
            found.profile if somewhere else np.zeros((len(beta), 1)),
            seen.reachable if seen.reachable is not None else np.zeros((2, 1)),
        )

    def nothing(self, groups: int) -> "Tally":
        """The same call with nothing summed up, for so many groups."""
        counts = np.zeros((groups, self.heads, BINS + 1), np.int64)
        return replace(
            self,
            states=np.zeros(groups, np.int64),
            sums=np.zeros((groups, self.heads, len(MEANS))),
            shares=counts,
            contents=counts.copy(),
            matching=np.zeros(groups, np.int64),
            kinds=np.zeros_like(self.kinds),
            stretch=np.zeros_like(self.stretch),
            profile=np.zeros((self.heads, 1)),
            reachable=np.zeros((2, 1)),
        )

    @property
    def heads(self) -> int:
        """H."""
        return self.sums.shape[1]

    def add(self, other: "Tally", group: NDArray[np.int64]) -> None:
        """Add another of the same call; its groups become parts of these, by their numbers."""
        for name in BY_GROUP:
            own, more = getattr(self, name), getattr(other, name)
            for number, into in enumerate(group):
                own[into] += more[number]
        self.kinds += other.kinds
        self.stretch += other.stretch
        middle, reach = self.profile.shape[-1] // 2, other.profile.shape[-1] // 2
        if (more := reach - middle) > 0:
            sides = (0, 0), (more, more)
            self.profile, self.reachable = (
                np.pad(self.profile, sides),
                np.pad(self.reachable, sides),
            )
            middle = reach
        near = slice(middle - reach, middle + reach + 1)
        self.profile[:, near] += other.profile
        self.reachable[:, near] += other.reachable


def kinds(k: Array, visible: Array) -> NDArray[np.int64]:
    """The number in `KINDS` of states by their k and how many patterns they see."""
    share = k / visible
    by_share = (share <= 1 / 2).astype(np.int64) + (share <= 1 / 8) + (share <= 1 / 32)
    return np.where(k == 1, len(KINDS) - 1, by_share)


def _histograms(share: Array, valid: NDArray[np.bool_]) -> NDArray[np.int32]:
    """How often each 1024th, rounded up, occurs among what is valid, `(B, H, 1025)`."""
    batch, heads, _ = share.shape
    bins = np.ceil(share * BINS - 1e-9).astype(np.int64)
    row = np.arange(batch * heads).reshape(batch, heads, 1)
    flat = (bins + (BINS + 1) * row)[np.broadcast_to(valid, share.shape)]
    counts = np.bincount(flat, minlength=batch * heads * (BINS + 1))
    return counts.reshape(batch, heads, BINS + 1).astype(np.int32)
