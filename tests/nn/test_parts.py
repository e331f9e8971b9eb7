"""Layers over parts of the stored patterns: merged, they are `forward` over all."""

import pytest
import reference
import torch

from hopfield import HopfieldLayer, HopfieldPooling, TopK, merge
from hopfield.errors import ArgumentError

WIDTH = 8
CUTS = (slice(0, 1), slice(1, 12), slice(12, 20))
VARIANTS = {
    "heads": {"num_heads": 4},
    "one head": {},
    "beta": {"num_heads": 2, "beta": torch.tensor([0.3, 9.0])},
    "learned beta": {"num_heads": 2, "learn_beta": True},
    "norms": {"num_heads": 2, "norm": True},
    "connected": {"num_heads": 2, "connected": True},
    "values of their own": {"num_heads": 3, "hidden_size": 5, "value_size": 7, "output_size": 9},
    "static stored": {"num_heads": 2, "static": ("stored",)},
    "raw": {
        "num_heads": 3,
        "static": ("state", "stored", "projection"),
        "output_projection": False,
        "hidden_size": WIDTH,
        "value_size": WIDTH,
        "beta": torch.tensor([1.0, 2.0, 9.0]),
    },
    "softmax1": {"num_heads": 2, "separation": "softmax1"},
    "top-k": {"num_heads": 2, "separation": TopK(3)},
    "no output projection": {"num_heads": 4, "output_projection": False},
}


@pytest.mark.parametrize("lead", [(), (3,)], ids=["one set", "a batch"])
@pytest.mark.parametrize("name", VARIANTS)
def test_merged_parts_are_the_whole(name, lead):
    layer = reference.layer(WIDTH, **VARIANTS[name])
    state = torch.randn(*lead, 4, WIDTH, dtype=torch.float64)
    stored, projection = torch.randn(2, *lead, 20, WIDTH, dtype=torch.float64)
    seen = {"mask": torch.rand(4, 20) < 0.8, "bias": torch.randn(4, 20).double()}
    parts = [
        layer.partial(
            state,
            stored[..., cut, :],
            projection[..., cut, :],
            **{key: value[:, cut] for key, value in seen.items()},
        )
        for cut in CUTS
    ]
    whole = layer(state, stored, projection, **seen)
    torch.testing.assert_close(layer.output(merge(parts)), whole)
    assert parts[0].log_partition.shape == (*lead, layer.num_heads, 4)
    parameters = [*layer.parameters()]
    if not parameters:
        return
    ours, theirs = (
        torch.autograd.grad(output.square().sum(), parameters)
        for output in (layer.output(merge(parts)), whole)
    )
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_padding_in_a_part_is_not_seen():
    layer = reference.layer(WIDTH, num_heads=2)
    state, stored = torch.randn(2, 4, WIDTH).double(), torch.randn(2, 20, WIDTH).double()
    padding = torch.zeros(2, 20, dtype=torch.bool)
    padding[1, 9:] = True  # the last part of the second set is padding alone
    parts = (layer.partial(state, stored[:, c], padding_mask=padding[:, c]) for c in CUTS)
    torch.testing.assert_close(
        layer.output(merge(parts)), layer(state, stored, padding_mask=padding)
    )


def test_pooling_and_lookup_hand_it_on():
    pooling = HopfieldPooling(WIDTH, quantity=3, num_heads=2).double()
    stored, projection = torch.randn(2, 20, WIDTH).double()
    parts = (pooling.partial(stored[c], projection=projection[c]) for c in CUTS)
    torch.testing.assert_close(pooling.output(merge(parts)), pooling(stored, projection))
    lookup = HopfieldLayer(WIDTH, quantity=5, num_heads=2).double()
    state = torch.randn(7, WIDTH).double()
    torch.testing.assert_close(lookup.output(merge([lookup.partial(state)])), lookup(state))


def test_parts_have_no_dropout():
    layer = reference.layer(WIDTH, num_heads=2, dropout=0.5)
    state, stored = torch.randn(4, WIDTH).double(), torch.randn(20, WIDTH).double()
    found = layer.output(merge(layer.partial(state, stored[c]) for c in CUTS))
    torch.testing.assert_close(found, layer.eval()(state, stored))


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ({"steps": 2}, {}),
        ({"steps": None, "tol": 1e-3}, {}),
        ({"bias_pattern": True}, {}),
        ({}, {"offsets": torch.tensor([0, 4])}),
        ({}, {"is_causal": True}),
    ],
)
def test_what_needs_all_patterns_at_once_is_an_error(options, seen):
    layer = reference.layer(WIDTH, **options)
    with pytest.raises(ArgumentError, match="parts of the stored patterns"):
        layer.partial(torch.randn(4, WIDTH).double(), **seen)


def test_a_separation_that_does_not_merge_is_an_error():
    layer = reference.layer(WIDTH, separation="sparsemax")
    state = torch.randn(4, WIDTH).double()
    with pytest.raises(ArgumentError, match="all scores"):
        merge([layer.partial(state), layer.partial(state)])
