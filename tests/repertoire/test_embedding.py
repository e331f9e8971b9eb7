"""The look-ups are the convolution, forward and backward."""

import pytest
import torch
from convolution import embedded as reference
from convolution import scores
from torch.nn.functional import selu

from hopfield.errors import ArgumentError
from hopfield.repertoire import embedding
from hopfield.repertoire.embedding import JunctionEmbedding, highest_scores, looked_up

SIZES = (3, 9, 15)
LENGTHS = (1, 2, 3, 7, 8, 15, 31, 60)


def drawn(lengths=LENGTHS, rows=9):
    return [torch.randint(1, 21, (rows, length), dtype=torch.uint8) for length in lengths]


def made(size, kernels=5):
    module = JunctionEmbedding(kernels, size)
    torch.nn.init.normal_(module.bias)
    return module


@pytest.fixture(params=["compiled", "PyTorch"])
def way(request, monkeypatch):
    monkeypatch.setattr(embedding, "INSTALLED", request.param == "compiled")
    return request.param


@pytest.mark.parametrize("size", SIZES)
def test_forward_is_the_convolution(size, way):
    module = made(size)
    groups = drawn(range(1, 61), 4)
    torch.testing.assert_close(module(groups), reference(module, groups), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_gradients_are_those_of_the_convolution(size, way):
    module, groups = made(size), drawn()
    for group in groups:  # near ties may go to another position
        best = scores(module, group).sort(-1, descending=True).values
        assert group.shape[1] == 1 or (best[..., 0] - best[..., 1]).min() > 1e-6
    upstream = torch.randn(len(groups) * 9, 5)
    parameters = [module.weight, module.bias]
    ours = torch.autograd.grad(module(groups), parameters, upstream)
    theirs = torch.autograd.grad(reference(module, groups), parameters, upstream)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_gradients_in_double_precision(size):
    module = made(size, 2).double()
    groups = drawn((1, 4, 11), 2)

    def embedded(weight, bias):
        parameters = {"weight": weight, "bias": bias}
        return torch.func.functional_call(module, parameters, (groups,))

    assert torch.autograd.gradcheck(embedded, (module.weight, module.bias), fast_mode=True)
    torch.testing.assert_close(module(groups), reference(module, groups))


def test_equal_positions_send_back_to_the_first_in_one_way(way):
    module = JunctionEmbedding(3, 9)
    with torch.no_grad():
        module.weight[:, 20:] = 0
    tied = [torch.ones(4, 30, dtype=torch.uint8)]  # all places but those near the ends are alike
    (gradient,) = torch.autograd.grad(module(tied).sum(), module.weight)
    assert gradient.isfinite().all()
    slope = torch.autograd.grad(selu(looked_up(tied, module.tables(30))).sum(), module.bias)[0]
    assert (gradient[:, 0].amax(1) <= slope + 1e-5).all()


def test_no_rows_give_no_rows(way):
    module = made(9)
    assert module([]).shape == (0, 5)
    found = module([torch.zeros(0, 12, dtype=torch.uint8)])
    assert found.shape == (0, 5)
    gradients = torch.autograd.grad(found.sum(), [module.weight, module.bias])
    assert all((gradient == 0).all() for gradient in gradients)


def test_each_junction_is_told_by_itself(way, monkeypatch):
    module, groups = made(9), drawn((5, 14, 40), 7)
    whole = module(groups)
    alone = torch.cat([module([row[None]]) for group in groups for row in group])
    torch.testing.assert_close(whole, alone, rtol=1e-6, atol=1e-6)
    monkeypatch.setattr(embedding, "ROWS_AT_ONCE", 2)
    torch.testing.assert_close(module(groups), whole, rtol=0, atol=0)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_share_the_work(threads, monkeypatch):
    module, groups = made(9), drawn(range(3, 20))
    monkeypatch.setattr(embedding, "ROWS_AT_ONCE", 4)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    found, wanted = module(groups), reference(module, groups)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    upstream = torch.randn_like(found)
    ours = torch.autograd.grad(found, module.weight, upstream)[0]
    theirs = torch.autograd.grad(wanted, module.weight, upstream)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_slices_and_expanded_gradients(way):
    module = made(9)
    wide = torch.randint(1, 21, (12, 30), dtype=torch.uint8)
    sliced, upstream = [wide[::2, 3:20]], torch.ones(()).expand(6, 5)
    found = module(sliced)
    torch.testing.assert_close(found, reference(module, sliced), rtol=1e-5, atol=1e-5)
    ours = torch.autograd.grad(found, module.weight, upstream)[0]
    theirs = torch.autograd.grad(reference(module, sliced), module.weight, upstream)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_compiled_is_what_runs_where_numba_is(monkeypatch):
    module, groups = made(9), drawn()
    calls = []
    monkeypatch.setattr(embedding, "looked_up", lambda *args: calls.append(1) or looked_up(*args))
    highest_scores(groups, module.tables(60))
    assert not calls
    highest_scores(groups, module.double().tables(60))
    assert len(calls) == 1
    monkeypatch.setattr(embedding, "INSTALLED", False)
    highest_scores(groups, module.float().tables(60))
    assert len(calls) == 2


def test_longest_junctions_keep_their_best_position(way):
    module = JunctionEmbedding(1, 9)
    with torch.no_grad():
        module.weight.zero_()
        module.weight[0, 3, 4] = 1  # an E in the middle
    row = torch.ones(1, 255, dtype=torch.uint8)
    row[0, 254] = 4
    (gradient,) = torch.autograd.grad(module([row]).sum(), module.weight)
    scale = float(gradient[0, 3, 4])
    assert scale > 1
    torch.testing.assert_close(gradient[0, 0, :4], torch.full((4,), scale))
    assert (gradient[0, :20, 5:] == 0).all()


def test_parameters_that_are_no_numbers_do_not_write_outside(way):
    module, groups = made(9), drawn()
    with torch.no_grad():
        module.weight.fill_(torch.nan)
    torch.autograd.grad(module(groups).sum(), [module.weight, module.bias])


def test_inference_first_leaves_training_possible(way):
    embedding.positions.cache_clear()
    module, groups = made(9), drawn()
    with torch.inference_mode():
        module(groups)
    module(groups).sum().backward()
    assert module.weight.grad.isfinite().all()


def test_second_derivatives_are_an_error_not_zero():
    module, groups = made(9), drawn()
    (gradient,) = torch.autograd.grad(
        module(groups).square().sum(), module.weight, create_graph=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("size", [0, 1, 5, 10])
def test_other_sizes_are_an_error(size):
    with pytest.raises(ArgumentError, match="3, 9 or 15"):
        JunctionEmbedding(2, size)


@pytest.mark.parametrize("kernels", [0, -1, 2.5, True])
def test_numbers_of_kernels_that_make_no_sense_are_errors(kernels):
    with pytest.raises(ArgumentError, match="kernels"):
        JunctionEmbedding(kernels)
