"""Every error says what came, what was expected and what to do."""

import numpy as np
import pytest
import torch

import hopfield
from hopfield.errors import ArgumentError, DtypeError, ShapeError

STATE, STORED = torch.randn(3, 4), torch.randn(5, 4)
FUNCTIONS = [
    hopfield.update,
    hopfield.energy,
    hopfield.associate,
    hopfield.phase,
    hopfield.retrieve,
]

TENSORS = {
    "no tensor": (STATE.tolist(), STORED, DtypeError, r"state is a list; a torch\.Tensor is exp"),
    "an array": (STATE.numpy(), STORED, DtypeError, r"state is a ndarray; .*torch\.as_tensor"),
    "one vector": (STATE[0], STORED, ShapeError, r"state has shape \(4,\); .* is state\[None\]"),
    "one pattern": (STATE, STORED[0], ShapeError, r"stored has shape \(4,\); .* stored\[None\]"),
    "integers": (STATE.long(), STORED, DtypeError, r"state has dtype torch\.int64; .*\.float\(\)"),
    "whole patterns": (STATE, STORED.long(), DtypeError, r"stored has dtype torch\.int64"),
    "complex": (STATE.to(torch.complex64), STORED, DtypeError, r"state has dtype torch\.complex64"),
    "two dtypes": (STATE.double(), STORED, DtypeError, r"state is torch\.float64 but stored is"),
    "two widths": (STATE[:, :3], STORED, ShapeError, r"state has shape \(3, 3\) but stored .* d "),
    "nothing": (STATE, STORED[:0], ShapeError, r"stored has shape \(0, 4\): it holds no pattern"),
    "batches": (
        STATE.expand(2, 3, 4),
        STORED.expand(3, 5, 4),
        ShapeError,
        r"do not broadcast: state \(2,\), stored \(3,\); .* must be equal or 1",
    ),
}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", TENSORS)
def test_tensors(untyped, function, name):
    state, stored, error, message = TENSORS[name]
    with pytest.raises(error, match=message):
        function(state, stored)


SETTINGS = {
    "beta 0": ({"beta": 0}, ArgumentError, "beta is 0; a finite number above 0 is expected"),
    "beta below 0": ({"beta": -1.5}, ArgumentError, r"beta is -1\.5"),
    "beta nan": ({"beta": float("nan")}, ArgumentError, "beta is nan"),
    "beta inf": ({"beta": float("inf")}, ArgumentError, "beta is inf"),
    "beta text": ({"beta": "high"}, ArgumentError, "beta is 'high'"),
    "beta true": ({"beta": True}, ArgumentError, "beta is True"),
    "beta tensor": ({"beta": torch.tensor([[1.0], [0.0], [2.0]])}, ArgumentError, "from 0 to 2"),
    "beta integers": ({"beta": torch.tensor(2)}, DtypeError, r"beta has dtype torch\.int64"),
    "beta of patterns": (
        {"beta": torch.ones(5)},
        ShapeError,
        r"beta has shape \(5,\); it must broadcast to \(\.\.\., S, 1\) = \(\.\.\., 3, 1\)",
    ),
    "beta of heads": ({"beta": torch.ones(8, 1)}, ShapeError, r"beta has shape \(8, 1\)"),
    "mask floats": ({"mask": torch.ones(5)}, DtypeError, "bool is expected, True where"),
    "mask list": ({"mask": [True] * 5}, DtypeError, "mask is a list"),
    "mask shape": (
        {"mask": torch.ones(4, dtype=torch.bool)},
        ShapeError,
        r"mask has shape \(4,\); it must broadcast to \(\.\.\., S, N\) = \(\.\.\., 3, 5\)",
    ),
    "bias bools": ({"bias": torch.ones(5, dtype=torch.bool)}, DtypeError, "goes into mask"),
    "bias shape": ({"bias": torch.ones(5, 3)}, ShapeError, r"bias has shape \(5, 3\)"),
    "similarity": ({"similarity": "l2"}, ArgumentError, "'l2'; choose one of 'dot', 'euclidean'"),
    "offsets list": ({"offsets": [0, 5]}, ShapeError, "a tensor of whole numbers"),
    "offsets floats": ({"offsets": torch.tensor([0.0, 5.0])}, ShapeError, "whole numbers"),
    "offsets end": ({"offsets": torch.tensor([0, 4])}, ShapeError, "end at .* stored patterns, 5"),
    "offsets start": ({"offsets": torch.tensor([1, 5])}, ShapeError, "must start at 0"),
    "offsets short": ({"offsets": torch.tensor([0])}, ShapeError, "offsets has 1 entries"),
    "empty bag": (
        {"offsets": torch.tensor([0, 2, 2, 5])},
        ShapeError,
        "at 1 of 3 bags, the first is bag 1; .* leave empty bags out",
    ),
    "falling": ({"offsets": torch.tensor([0, 4, 2, 5])}, ShapeError, "does not rise at 1 of 3"),
    "unknown": ({"betta": 1.0}, TypeError, "betta"),
}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", SETTINGS)
def test_settings(untyped, function, name):
    settings, error, message = SETTINGS[name]
    with pytest.raises(error, match=message):
        function(STATE, STORED, **settings)


@pytest.mark.parametrize(
    ("projection", "error", "message"),
    [
        (torch.randn(4, 2), ShapeError, r"projection has shape \(4, 2\) but stored .* N "),
        (torch.randn(5), ShapeError, r"projection has shape \(5,\); at least 2 dimensions"),
        (torch.randn(5, 2).double(), DtypeError, r"projection is torch\.float64 but stored is"),
        (torch.randn(7, 5, 2), ShapeError, r"state \(2,\), projection \(7,\)"),
    ],
)
def test_projections(untyped, projection, error, message):
    for function in (hopfield.update, hopfield.retrieve, hopfield.partial):
        with pytest.raises(error, match=message):
            function(STATE.expand(2, 3, 4), STORED, projection)


def test_values_are_searched_on_request(untyped):
    for name, tensors in {
        "state": (STATE.clone(), STORED),
        "stored": (STATE, STORED.clone()),
    }.items():
        broken = tensors[0] if name == "state" else tensors[1]
        broken[2, 1] = float("nan")
        broken[1, 0] = float("inf")
        hopfield.update(*tensors)
        message = rf"{name} has NaN or infinite values in 2 of \d vectors, the first at .*\(1,\)"
        with pytest.raises(ArgumentError, match=message):
            hopfield.update(*tensors, validate=True)
    projection = torch.full((5, 2), torch.inf)
    with pytest.raises(ArgumentError, match="projection has NaN or infinite values in 5 of 5"):
        hopfield.update(STATE, STORED, projection, validate=True)


def test_bags_need_states_for_each():
    message = r"state \(2,\), stored .*with 3 bags as the last one of state and beta"
    offsets = torch.tensor([0, 1, 2, 5])
    with pytest.raises(ShapeError, match=message):
        hopfield.update(STATE.expand(2, 3, 4), STORED.expand(1, 5, 4), offsets=offsets)


def test_numbers_of_other_libraries_are_numbers(untyped):
    expected = hopfield.update(STATE, STORED, beta=2.0)
    for beta in (2, np.float32(2), np.float64(2), torch.tensor(2.0), torch.tensor([[2.0]])):
        torch.testing.assert_close(hopfield.update(STATE, STORED, beta=beta), expected)


def test_projections_and_bias_are_searched_too(untyped):
    broken = torch.full((5, 2), torch.nan)
    for stored, projection in (([STORED], broken), ([(STORED, broken)], "blocks")):
        with pytest.raises(ArgumentError, match="projection has NaN"):
            hopfield.update(STATE, stored, projection, validate=True)
    with pytest.raises(ArgumentError, match="bias has NaN"):
        hopfield.update(STATE, STORED, bias=torch.full((5,), torch.inf), validate=True)
    hopfield.update(STATE, STORED, bias=torch.tensor([0.0] * 4 + [-torch.inf]), validate=True)


@pytest.mark.parametrize(
    ("alpha", "error", "message"),
    [
        ("much", ArgumentError, "alpha is 'much'; finite numbers of at least 1"),
        (True, ArgumentError, "alpha is True"),
        (torch.tensor([1.5, torch.inf]), ArgumentError, "finite numbers of at least 1"),
        (torch.tensor([2]), DtypeError, "alpha has dtype torch.int64"),
        (torch.full((7, 1), 1.5), ShapeError, r"alpha has shape \(7, 1\); it must broadcast"),
        (torch.full((3,), 1.5), ShapeError, r"alpha has shape \(3,\); it must broadcast"),
    ],
)
def test_alphas(untyped, alpha, error, message):
    for function in FUNCTIONS:
        with pytest.raises(error, match=message):
            function(STATE, STORED, separation=hopfield.Entmax(alpha))


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        ([0, 1, 2], DtypeError, r"is \[0, 1, 2\]; a tensor of indices"),
        (torch.tensor([0.0, 1, 2]), DtypeError, r"is torch.float32 \(3,\)"),
        (torch.tensor([True, False, True]), DtypeError, "is torch.bool"),
        (torch.tensor([0, 5, -1]), ArgumentError, "2 indices outside 0 to 4, the first is 5"),
    ],
)
def test_indices_of_patterns(untyped, index, error, message):
    with pytest.raises(error, match=message):
        hopfield.theory.delta(STORED, index)
    with pytest.raises(error, match=message):
        hopfield.theory.retrieval_error_bound(STATE, STORED, 1.0, target=index)
