"""What every separation, similarity and implementation must do: written once, run for all.

`Cell` is one combination. A test asks for the cells that can do what it needs; `test_refusals` sees
to it that all the others refuse and say why, so that no combination goes untested.
"""

import itertools
from dataclasses import dataclass

import pytest
import torch
from torch.nn.functional import normalize

import hopfield
import oracle
from hopfield import network
from hopfield.errors import ArgumentError, BackendError
from hopfield.reduction import chunked, concentrated, flash, ragged, softmax, topk

SEPARATIONS_OF = {
    "naive": set(oracle.SEPARATIONS),
    "chunked": set(oracle.SEPARATIONS),
    "blockwise": {"softmax", "softmax1", "topk"},
    "flash": {"softmax", "softmax1"},
    "fused": {"softmax", "softmax1"},
    "concentrated": {"softmax", "softmax1"},
    "sdpa": {"softmax"},
}
COMPILED = ("fused", "concentrated")  # float32, on the CPU
ODD_SIZES = [(1, 1), (3, 1), (1, 63), (63, 111), (111, 63)]


@dataclass(frozen=True)
class Cell:
    separation: str
    similarity: str
    backend: str

    def __str__(self):
        return f"{self.separation}-{self.similarity}-{self.backend}"

    @property
    def reference(self):
        return oracle.SEPARATIONS[self.separation]

    @property
    def dtype(self):
        return torch.float32 if self.backend in COMPILED else torch.float64

    def can(self, *needs):
        """Whether the implementation takes this separation with what is needed besides."""
        lacks = {
            "sdpa": {"energy"},
            "flash": {"wide"},
            "fused": {"projection", "additive", "batch"},
            "concentrated": {"additive", "batch"},
        }
        needs = set(needs)
        if self.similarity == "euclidean" and "beta per state" in needs:
            needs |= {"wide", "projection"}
        if self.backend in ("flash", *COMPILED) and torch.get_default_device().type != "cpu":
            return False
        able = self.separation in SEPARATIONS_OF[self.backend]
        return able and not needs & lacks.get(self.backend, set())

    def settings(self, **more):
        own = {"similarity": self.similarity, "backend": self.backend}
        return {"separation": self.reference.separation, **own, **more}

    def rand(self, *shape):
        return torch.randn(*shape, dtype=self.dtype)

    def update(self, state, stored, projection=None, **more):
        return hopfield.update(state, stored, projection, **self.settings(**more))

    def energy(self, state, stored, **more):
        return hopfield.energy(state, stored, **self.settings(**more))

    def expect(self, *tensors, **more):
        return oracle.readout(self.reference, *tensors, similarity=self.similarity, **more)

    def expect_energy(self, *tensors, **more):
        return oracle.energy(self.reference, *tensors, similarity=self.similarity, **more)

    def check(self, actual, expected):
        error = 3e-5 if self.dtype == torch.float32 else 1e-9
        torch.testing.assert_close(actual, expected.to(actual.dtype), atol=error, rtol=error)


CELLS = [
    Cell(*names)
    for names in itertools.product(oracle.SEPARATIONS, oracle.SIMILARITIES, SEPARATIONS_OF)
]


def cells(*needs):
    """Run a test for every cell that can do what it needs."""
    able = [cell for cell in CELLS if cell.can(*needs)]
    return pytest.mark.parametrize("cell", able, ids=str)


@pytest.fixture(autouse=True, params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request, cell):
    """Run everything on each kind of device that there is."""
    if request.param != "cpu" and cell.backend in ("flash", *COMPILED):
        pytest.skip("made for the CPU")
    torch.set_default_device(request.param)
    yield
    torch.set_default_device("cpu")


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch, two_threads):
    """Tiles so small that every problem here has several, with uneven last ones."""
    monkeypatch.setattr(softmax, "ROWS_AT_ONCE", 5)
    monkeypatch.setattr(softmax, "COLUMNS_AT_ONCE", (4, 7))
    monkeypatch.setattr(chunked, "SCORES_AT_ONCE", 700)
    monkeypatch.setattr(topk, "GATHERED_AT_ONCE", 150)
    monkeypatch.setattr(ragged, "PATTERNS_AT_ONCE", 10)
    monkeypatch.setattr(flash, "PATTERNS_WORTH_SPLITTING", 5)
    monkeypatch.setattr(network, "ADDITIVE_AT_ONCE", 50)
    monkeypatch.setattr(concentrated, "STATES_AT_ONCE", 5)
    monkeypatch.setattr(concentrated, "FEW_STATES", 0)
    monkeypatch.setattr(concentrated, "BLOCK", 64)


def leaves(*tensors):
    return [tensor.requires_grad_() for tensor in tensors]


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_refusals(cell):
    """What a cell cannot do it refuses by name, with a reason; nothing else."""
    state, stored, projection = cell.rand(2, 3, 4), cell.rand(5, 4), cell.rand(5, 4)
    asked = {
        (): lambda: cell.update(state, stored),
        ("projection",): lambda: cell.update(state, stored, projection),
        ("projection", "wide"): lambda: cell.update(state, stored, cell.rand(5, 6)),
        ("bias of patterns",): lambda: cell.update(state, stored, bias=cell.rand(5)),
        ("additive",): lambda: cell.update(state, stored, bias=cell.rand(3, 5)),
        ("batch",): lambda: cell.update(state, cell.rand(2, 5, 4)),
        ("energy",): lambda: cell.energy(state, stored),
    }
    for needs, ask in asked.items():
        if cell.can(*needs):
            ask()
        else:
            with pytest.raises(BackendError, match=f"backend '{cell.backend}' refuses: .+"):
                ask()


@cells()
@pytest.mark.parametrize(("states", "patterns"), ODD_SIZES)
def test_next_state(cell, states, patterns):
    state, stored = cell.rand(states, 7), cell.rand(patterns, 7)
    cell.check(cell.update(state, stored, beta=0.7), cell.expect(state, stored, beta=0.7))


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_no_states(cell):
    if cell.can() and cell.backend != "flash":
        assert cell.update(cell.rand(0, 7), cell.rand(5, 7)).shape == (0, 7)
        assert cell.update(cell.rand(2, 0, 7), cell.rand(5, 7)).shape == (2, 0, 7)


@cells()
def test_default_beta(cell):
    state, stored = cell.rand(3, 16), cell.rand(9, 16)
    cell.check(cell.update(state, stored), cell.expect(state, stored, beta=0.25))


@cells()
def test_non_contiguous(cell):
    state, stored = cell.rand(4, 9).T, cell.rand(4, 33).T
    cell.check(cell.update(state, stored, beta=1.0), cell.expect(state, stored, beta=1.0))


@cells("projection", "additive", "wide")
@pytest.mark.parametrize("width", [6, 9])
def test_projection_bias_and_mask(cell, width):
    state, stored, projection = cell.rand(11, 6), cell.rand(37, 6), cell.rand(37, width)
    bias, mask = cell.rand(11, 37), torch.rand(11, 37) < 0.6
    mask[3] = False
    mask[4, 2:] = False
    more = {"beta": 1.3, "bias": bias, "mask": mask}
    actual = cell.update(state, stored, projection, **more)
    cell.check(actual, cell.expect(state, stored, projection, **more))
    assert (actual[3] == 0).all()


@cells("batch", "additive")
def test_leading_dimensions_broadcast(cell):
    state, stored = cell.rand(2, 3, 5, 4), cell.rand(3, 17, 4)
    beta = torch.tensor([0.3, 1.0, 4.0], dtype=cell.dtype).view(3, 1, 1)
    mask = torch.rand(2, 1, 1, 17) < 0.7
    actual = cell.update(state, stored, beta=beta, mask=mask)
    cell.check(actual, cell.expect(state, stored, beta=beta, mask=mask))
    alone = cell.update(state[1, 2], stored[2], beta=4.0, mask=mask[1, 0])
    cell.check(actual[1, 2], alone)


@cells("beta per state")
def test_beta_per_state(cell):
    state, stored = cell.rand(2, 3, 5, 4), cell.rand(17, 4)
    beta = torch.rand(2, 3, 5, 1, dtype=cell.dtype) + 0.1
    cell.check(cell.update(state, stored, beta=beta), cell.expect(state, stored, beta=beta))


@cells("energy", "beta per state")
def test_energy_with_beta_per_state(cell):
    state, stored = cell.rand(2, 5, 4), cell.rand(17, 4)
    beta = torch.rand(2, 5, 1, dtype=cell.dtype) + 0.1
    actual = cell.energy(state, stored, beta=beta)
    cell.check(actual, cell.expect_energy(state, stored, beta=beta))


@cells("energy", "additive")
def test_energy(cell):
    state, stored = cell.rand(2, 9, 5), cell.rand(23, 5)
    bias, mask = cell.rand(9, 23), torch.rand(9, 23) < 0.5
    bias[2, 5] = -torch.inf
    mask[7] = False
    more = {"beta": 0.6, "bias": bias, "mask": mask}
    actual = cell.energy(state, stored, **more)
    cell.check(actual, cell.expect_energy(state, stored, **more))
    assert actual[:, 7].isposinf().all()


@cells("energy")
def test_energy_is_not_negative(cell):
    state, stored = 3 * cell.rand(50, 5), cell.rand(23, 5)
    for beta in (0.01, 1.0, 100.0):
        assert (cell.energy(state, stored, beta=beta) >= -1e-4 * (cell.backend in COMPILED)).all()


@cells("energy", "additive")
@pytest.mark.parametrize("beta", [0.1, 1.0, 10.0])
def test_energy_never_rises_and_its_gradient_is_the_step(cell, beta):
    more = {"beta": beta, "bias": cell.rand(40)}
    state, stored = cell.rand(200, 6).requires_grad_(), cell.rand(40, 6)
    before = cell.energy(state, stored, **more)
    moved = cell.update(state, stored, **more)
    after = cell.energy(moved, stored, **more)
    assert (after <= before + 1e-12 * (1 + before.abs())).all()
    if cell.similarity != "cosine":
        (gradient,) = torch.autograd.grad(before.sum(), state)
        torch.testing.assert_close(gradient, (state - moved).detach())


@cells("projection", "additive")
def test_gradients_by_finite_differences(cell):
    state, stored, projection, bias = leaves(
        cell.rand(3, 4), cell.rand(6, 4), cell.rand(6, 4), cell.rand(3, 6)
    )
    (beta,) = leaves(torch.tensor(0.8, dtype=torch.float64))
    mask, fixed = torch.ones(3, 6, dtype=torch.bool), cell.rand(6)
    mask[0, :4] = False

    def both(state, stored, projection, bias, beta):
        read = cell.update(state, stored, projection, bias=bias, mask=mask, beta=beta)
        return read, cell.update(state, stored, bias=fixed, beta=beta)

    inputs = (state, stored, projection, bias, beta)
    assert torch.autograd.gradcheck(both, inputs, atol=1e-6, fast_mode=True)


@cells("energy", "additive")
def test_energy_gradients_by_finite_differences(cell):
    state, stored, bias = leaves(cell.rand(3, 4), cell.rand(6, 4), cell.rand(6))
    (beta,) = leaves(torch.tensor(0.8, dtype=torch.float64))

    def energy(state, stored, bias, beta):
        return cell.energy(state, stored, bias=bias, beta=beta)

    inputs = (state, stored, bias, beta)
    assert torch.autograd.gradcheck(energy, inputs, atol=1e-6, fast_mode=True)


def same_gradients(cell, actual, expected, inputs):
    weight = torch.randn_like(expected)
    gradients = torch.autograd.grad((actual * weight.to(actual.dtype)).sum(), inputs)
    wanted = torch.autograd.grad((expected * weight).sum(), inputs)
    for gradient, want in zip(gradients, wanted, strict=True):
        scale = want.abs().max().clamp(min=1e-12)
        cell.check(gradient / scale, want / scale)


@cells()
def test_gradients_at_odd_sizes(cell):
    state, stored = leaves(cell.rand(2, 63, 5), cell.rand(111, 5))
    actual = cell.update(state, stored, beta=0.9)
    same_gradients(cell, actual, cell.expect(state, stored, beta=0.9), (state, stored))


@cells("projection", "wide")
@pytest.mark.parametrize("width", [5, 8])
def test_projection_gradients_at_odd_sizes(cell, width):
    inputs = leaves(cell.rand(2, 63, 5), cell.rand(111, 5), cell.rand(111, width))
    actual = cell.update(*inputs, beta=0.9)
    same_gradients(cell, actual, cell.expect(*inputs, beta=0.9), inputs)


@cells("additive", "batch")
def test_fully_masked_states_are_silent(cell):
    state, stored, bias = leaves(cell.rand(3, 4), cell.rand(6, 4), cell.rand(3, 6))
    mask = torch.tensor([True, False, True])[:, None].expand(3, 6)
    readout = cell.update(state, stored, bias=bias, mask=mask, beta=1.0)
    loss = readout.sum()
    if cell.can("energy"):
        energy = cell.energy(state, stored, bias=bias, mask=mask, beta=1.0)
        assert energy[1].isposinf()
        loss = loss + energy.nan_to_num(posinf=0.0).sum()
    gradients = torch.autograd.grad(loss, (state, stored, bias))
    assert (readout[1] == 0).all()
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert (gradients[0][1] == 0).all()
    assert (gradients[2][1] == 0).all()
    assert (hopfield.associate(state, stored, mask=mask, **cell.settings())[1] == 0).all()


@cells()
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
def test_lower_precision(cell, dtype):
    if cell.backend in COMPILED and dtype != torch.float32:
        with pytest.raises(BackendError, match="it takes float32 on the CPU"):
            cell.update(cell.rand(13, 8).to(dtype), cell.rand(29, 8).to(dtype))
        return
    state, stored = cell.rand(13, 8).to(dtype), cell.rand(29, 8).to(dtype)
    actual = cell.update(state, stored, beta=0.5)
    assert actual.dtype == dtype
    rounding = 8 * torch.finfo(dtype).eps
    expected = cell.expect(state, stored, beta=0.5)
    ranked = oracle.scores(state, stored, 0.5, cell.similarity).sort(descending=True).values
    clear = ranked[:, 3] - ranked[:, 4] > rounding / 8  # rounding may swap the last of the top 4
    clear |= cell.separation != "topk"
    assert clear.sum() >= 3
    torch.testing.assert_close(
        actual[clear].double(), expected[clear], atol=4 * rounding, rtol=rounding
    )


@cells()
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32], ids=str)
def test_extreme_scores_stay_finite(cell, dtype):
    dtype = torch.float32 if cell.backend in COMPILED else dtype
    state = torch.tensor([[100.0, 0.0], [-100.0, 0.0], [0.0, 0.0]], dtype=dtype)
    stored = torch.tensor([[100.0, 1.0], [-100.0, 2.0], [0.0, -3.0]], dtype=dtype)
    leaves(state, stored)
    readout = cell.update(state, stored, beta=1.0)
    gradients = torch.autograd.grad(readout.float().sum(), (state, stored))
    assert all(tensor.isfinite().all() for tensor in (readout, *gradients))
    if cell.similarity != "cosine":
        torch.testing.assert_close(readout[:2], stored[:2])


OFFSETS = [0, 1, 6, 13, 40]


@cells("additive")
@pytest.mark.parametrize("shared", [True, False])
def test_bags_equal_one_at_a_time(cell, shared):
    state, stored, bias = leaves(
        cell.rand(3, 5) if shared else cell.rand(4, 3, 5), cell.rand(40, 5), cell.rand(3, 40)
    )
    mask = torch.rand(1, 40) < 0.8
    mask[:, 1:6] = False
    actual = cell.update(
        state, stored, beta=1.1, bias=bias, mask=mask, offsets=torch.tensor(OFFSETS)
    )
    expected = [
        cell.expect(
            state if shared else state[bag],
            stored[low:high],
            beta=1.1,
            bias=bias[:, low:high],
            mask=mask[:, low:high],
        )
        for bag, (low, high) in enumerate(itertools.pairwise(OFFSETS))
    ]
    cell.check(actual, torch.stack(expected))
    same_gradients(cell, actual, torch.stack(expected), (state, stored, bias))


@cells("energy", "additive")
def test_energy_of_bags(cell):
    state, stored = cell.rand(4, 3, 5), cell.rand(40, 5)
    beta = torch.rand(4, 1, 1, dtype=cell.dtype) + 0.2
    actual = cell.energy(state, stored, beta=beta, offsets=torch.tensor(OFFSETS))
    for bag, (low, high) in enumerate(itertools.pairwise(OFFSETS)):
        alone = cell.expect_energy(state[bag], stored[low:high], beta=beta[bag])
        cell.check(actual[bag], alone)


@cells("energy")
def test_blocks_merge_to_the_whole(cell):
    state, stored = leaves(cell.rand(9, 5), cell.rand(40, 5))
    blocks = [stored[:1], lambda: stored[1:20], stored[20:]]
    if cell.separation not in ("softmax", "softmax1", "topk"):
        with pytest.raises(ArgumentError, match="all scores of a state at once"):
            cell.update(state, blocks)
        return
    actual, expected = cell.update(state, blocks, beta=1.0), cell.expect(state, stored, beta=1.0)
    cell.check(actual, expected)
    same_gradients(cell, actual, expected, (state, stored))
    cell.check(cell.energy(state, blocks, beta=1.0), cell.expect_energy(state, stored, beta=1.0))


@cells()
def test_retrieval_reaches_a_fixed_point(cell):
    stored = normalize(cell.rand(30, 12), dim=-1)
    state, tol = stored[:9] + 0.1 * cell.rand(9, 12), 1e-5
    result = hopfield.retrieve(state, stored, steps=500, tol=tol, **cell.settings(beta=15.0))
    assert result.converged.all()
    moved = cell.expect(result.state, stored, beta=15.0)
    assert (moved - result.state).norm(dim=-1).max() < 2 * tol
    steps = int(result.steps.max())
    slow = hopfield.retrieve(state, stored, steps=steps, **cell.settings(beta=15.0))
    torch.testing.assert_close(result.state, slow.state, atol=1e-3, rtol=0)
