"""What replacements must know of heads, summed up over text without keeping weights."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import pad
from tqdm import tqdm

from hopfield.errors import ArgumentError
from hopfield.heads.replacement.layers import Layer, attention_layers, call
from hopfield.huggingface.attention import Heads
from hopfield.huggingface.recording import in_eval_mode, watched
from hopfield.network import DenseNetwork
from hopfield.phases import count_holding

BINS = 1000  # of k as a share of the visible keys


@dataclass
class LayerStatistics:
    """Sums over the sequences that the heads of a layer have seen, padding left out.

    P is the longest sequence; places count from 0 at its first token. The size, that of two P × P
    matrices per head, does not grow with the text.

    Attributes:
        layer: whose they are.
        count: queries at each place, `(P,)`.
        start: the first place that queries at a place see, `(P,)`.
        ends: the sum over these queries of the place after the last one that they see, `(P,)`.
        between: v_j · v_j' of the projections at two places, `(G, P, P)`; G groups of heads share
            projections.
        read: o_i · v_j of the read-out at a place and the projection at another, `(H, P, P)`.
        readout: the sum of all read-outs, `(H, v)`.
        queries: how many there were.
        k90: how many of them need so many thousandths of their visible keys for 90 % of the
            weight, `(H, 1001)`.
    """

    layer: Layer
    count: Float[Tensor, " P"]
    start: Int[Tensor, " P"]
    ends: Float[Tensor, " P"]
    between: Float[Tensor, "G P P"]
    read: Float[Tensor, "H P P"]
    readout: Float[Tensor, "H v"]
    queries: int
    k90: Int[Tensor, "H _"]

    @classmethod
    def empty(cls, layer: Layer) -> "LayerStatistics":
        """Of no query yet."""
        return cls(
            layer,
            count=torch.zeros(0),
            start=torch.zeros(0, dtype=torch.int64),
            ends=torch.zeros(0),
            between=torch.zeros(layer.heads // layer.group, 0, 0),
            read=torch.zeros(layer.heads, 0, 0),
            readout=torch.zeros(layer.heads, layer.width, dtype=torch.float64),
            queries=0,
            k90=torch.zeros(layer.heads, BINS + 1, dtype=torch.int64),
        )

    @property
    def places(self) -> int:
        """P."""
        return len(self.count)

    def median_k90(self) -> Float[Tensor, " H"]:
        """k̄ / N: the median share of the visible keys that hold 90 % of the weight."""
        held = self.k90.cumsum(-1)
        return (2 * held < held[:, -1:]).sum(-1) / BINS

    def mean_readout(self) -> Float[Tensor, "H v"]:
        """The mean read-out of each head."""
        return (self.readout / max(self.queries, 1)).float()

    def longer(self, places: int) -> "LayerStatistics":
        """The same with room for so many places."""
        more = max(0, places - self.places)
        once, twice = (0, more), (0, more, 0, more)
        return replace(
            self,
            count=pad(self.count, once),
            start=pad(self.start, once),
            ends=pad(self.ends, once),
            between=pad(self.between, twice),
            read=pad(self.read, twice),
        )

    def add(self, weights: Tensor, readout: Tensor, visible: Tensor) -> None:
        """Add the queries of one sequence.

        Args:
            weights: `(H, n, N)`.
            readout: `(H, n, v)`.
            visible: how many keys each sees, `(n,)`.
        """
        self.readout += readout.sum(-2).double().cpu()
        self.queries += len(visible)
        share = (count_holding(weights, 0.9) * BINS / visible.clamp(min=1)).ceil().long().cpu()
        self.k90 += torch.stack([one.bincount(minlength=BINS + 1) for one in share])

    def add_places(self, readout: Tensor, projection: Tensor, seen: Tensor) -> None:
        """Add where things are in one sequence of n tokens, which are queries and keys.

        Args:
            readout: `(H, n, v)`.
            projection: `(G, n, v)`.
            seen: True where a query sees a key, `(n, n)`.

        Raises:
            ArgumentError: a query sees keys with others between them that it does not see.
        """
        n = len(seen)
        start, visible = seen.int().argmax(-1), seen.sum(-1)
        end = n - seen.flip(-1).int().argmax(-1)
        if not torch.equal(end - start, visible):
            raise ArgumentError(
                f"queries of {self.layer.name} see keys that are not side by side; Gaussian "
                f"attention is for masks of padding, causality and sliding windows"
            )
        self.count[:n] += 1
        self.start[:n] = start.cpu()
        self.ends[:n] += end.cpu()
        projection = projection.float()
        self.between[:, :n, :n] += (projection @ projection.mT).cpu()
        each = projection.repeat_interleave(self.layer.group, 0)
        self.read[:, :n, :n] += (readout.float() @ each.mT).cpu()


@torch.no_grad()
def gather(
    model: nn.Module, batches: Iterable[Mapping[str, Tensor]], progress: bool = False
) -> dict[str, LayerStatistics]:
    """Run a model over text and sum up what its heads read out of where.

    Weights are computed for one sequence and layer at a time, and forgotten.

    Args:
        model: of transformers; it is not changed.
        batches: its keyword arguments; masks say what is padding.
        progress: whether to show it.

    Returns:
        The statistics of each layer, by its name.

    Raises:
        ArgumentError: there is no batch, or the model's attention is none that can be seen.
    """
    batches = list(batches)
    if not batches:
        raise ArgumentError("there are no batches; at least one is expected")
    names = {module: name for name, module in model.named_modules()}
    layers = attention_layers(model, batches[0])
    found = {name: LayerStatistics.empty(layer) for name, layer in layers.items()}
    inputs: Mapping[str, Tensor] = {}

    def note(module: nn.Module, heads: Heads) -> None:
        name = names[module]
        found[name] = _with(found[name], heads, inputs)

    with watched(model, note), in_eval_mode(model):
        for inputs in tqdm(batches, "statistics of heads", disable=not progress):
            _ = call(model, inputs)
    return found


def _with(own: LayerStatistics, heads: Heads, inputs: Mapping[str, Tensor]) -> LayerStatistics:
    """Statistics, and one call of attention."""
    batch, _, queries, _ = heads.state.shape
    keys, layer = heads.stored.shape[-2], own.layer
    own = own if layer.cross else own.longer(queries)
    for b in range(batch):
        association = heads.association
        mask, bias = _row(association.mask, b), _row(association.bias, b)
        network = DenseNetwork(
            replace(association, mask=mask, bias=bias), None, heads.stored[b : b + 1]
        )
        seen = torch.ones(queries, keys, dtype=torch.bool, device=heads.state.device)
        seen = seen if mask is None else mask[0, 0].expand(queries, keys)
        rows = _queries(layer, seen, b, inputs)
        weights = network.weights(heads.state[b : b + 1])[0][:, rows]
        readout = weights @ heads.projection[b].to(weights.dtype)
        own.add(weights, readout, seen[rows].sum(-1))
        if not layer.cross:
            projection = heads.projection[b, :: layer.group][:, rows]
            own.add_places(readout, projection, seen[rows][:, rows])
    return own


def _row(tensor: Tensor | None, b: int) -> Tensor | None:
    """The part of one sequence of a mask or bias."""
    return tensor if tensor is None or len(tensor) == 1 else tensor[b : b + 1]


def _queries(layer: Layer, seen: Tensor, b: int, inputs: Mapping[str, Tensor]) -> Tensor:
    """The queries of a sequence that are no padding; a token that none sees is padding."""
    real = seen.any(0)
    if layer.cross:
        mask = inputs.get("decoder_attention_mask")
        real = seen.new_ones(len(seen)) if mask is None else mask[b].bool().to(seen.device)
    return real.nonzero().squeeze(-1)
