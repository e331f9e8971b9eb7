"""Statistics of rows of weights, against their definitions in float64."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from hopfield.association import Association
from hopfield.heads import rows as module
from hopfield.heads.rows import Near, Rows, rows
from hopfield.heads.surroundings import _near
from hopfield.huggingface.attention import Heads
from hopfield.separation import Softmax

WAYS = [
    pytest.param(module._plain, id="plain"),
    pytest.param(module._compiled, id="compiled"),
]


def heads(scores, mask=None):
    """Heads with these scores: the stored patterns are the axes."""
    patterns = scores.shape[-1]
    axes = torch.eye(patterns).expand(*scores.shape[:2], patterns, patterns)
    association = Association(1.0, None, None, Softmax(), "dot")
    association = replace(association, mask=mask)
    return Heads(scores, axes, torch.randn(*scores.shape[:2], patterns, 3), association, {})


def jacobian(p):
    """The Frobenius norm of diag p − p pᵀ, as it is defined."""
    return (p.diag_embed() - p[..., None] * p[..., None, :]).square().sum((-1, -2)).sqrt()


def fewest(p, share=0.9):
    falling = p.sort(-1, descending=True).values.cumsum(-1)
    return (falling < share * falling[..., -1:]).sum(-1) + 1


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    if request.param is module._compiled:
        pytest.importorskip("numba")
    monkeypatch.setattr(module, "_compiles", lambda heads: request.param is module._compiled)


def around(size, places=True):
    """Special patterns at both ends, places, and random ones that follow; also as a mask."""
    special = torch.zeros(size, dtype=torch.bool)
    special[0] = special[-1] = True
    follows = torch.rand(size, size) > 0.8
    at = torch.arange(size) if places else torch.full((size,), -1)
    return _near(at, special, follows), special, follows


def nothing(heads):
    return [Near.nothing(heads.state.shape[-2])] * len(heads.state)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("size", [1, 7, 63, 111])
@pytest.mark.parametrize("scale", [0.01, 1.0, 8.0, 40.0])
def test_definitions(size, scale):
    scores = scale * torch.randn(2, 3, size, size)
    near, special, follows = around(size)
    found = rows(heads(scores), [near, near], readout=True)
    p = scores.double().softmax(-1)
    assert np.allclose(found["log_partition"], scores.double().logsumexp(-1), atol=1e-5, rtol=1e-6)
    assert np.allclose(found["entropy"], torch.special.entr(p).sum(-1), atol=1e-4)
    assert np.allclose(found["jacobian"], jacobian(p), rtol=1e-4, atol=1e-9)
    assert np.allclose(found["heaviest"], p.amax(-1), atol=1e-6)
    assert np.allclose(found["special"], p[..., special].sum(-1), atol=1e-6)
    assert np.allclose(found["first"], p[..., 0], atol=1e-6)
    assert np.allclose(found["own"], p.diagonal(dim1=-2, dim2=-1), atol=1e-6)
    assert np.allclose(found["previous"][..., 1:], p.diagonal(-1, -2, -1), atol=1e-6)
    assert np.allclose(found["matches"], follows.sum(-1).expand(2, 3, size))
    assert np.allclose(found["matched"], (p * follows).sum(-1), atol=1e-6)
    for distance in range(-size + 1, size):
        sums = p.diagonal(distance, -2, -1).sum((0, -1))
        assert np.allclose(found.profile[:, distance + size - 1], sums, atol=1e-5)
    assert (found["k"] == fewest(p).numpy()).mean() > 0.98  # float32 may fall on the other side
    assert np.abs(found["k"] - fewest(p).numpy()).max() <= 1
    content = p.masked_fill(special, 0.0)
    if size > 2:
        some = content.sum(-1).numpy() > 1e-4
        assert np.abs(found["k_content"] - fewest(content).numpy())[some].max() <= 1


@pytest.mark.usefixtures("way")
def test_k_is_exact_unless_the_weight_lies_at_the_edge():
    scores = torch.randn(4, 4, 256, 256) * torch.linspace(0.1, 6, 16).view(4, 4, 1, 1)
    found = rows(heads(scores), [around(256)[0]] * 4)
    p = scores.double().softmax(-1)
    falling = p.sort(-1, descending=True).values.cumsum(-1)
    edge = ((falling - 0.9).abs() < 1e-6).any(-1).numpy()
    assert edge.mean() < 0.01
    assert (found["k"] == fewest(p).numpy())[~edge].all()


@pytest.mark.usefixtures("way")
def test_duplicates_of_special_patterns():
    """Equal weights inside and outside what is left out, over many blocks."""
    scores = torch.zeros(1, 1, 1, 100)
    scores[..., :40] = 2.0
    special = torch.zeros(100, dtype=torch.bool)
    special[30:50] = True
    found = rows(heads(scores), [_near(torch.tensor([-1]), special, None)])
    p = scores.double().softmax(-1)
    assert found["k_content"].item() == fewest(p.masked_fill(special, 0.0)).item()
    assert found["k"].item() == fewest(p).item()


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("gap", [10.0, 20.0, 60.0])
def test_the_jacobian_does_not_cancel(gap):
    """Near a stored pattern, where the closed form in float32 goes negative."""
    scores = torch.zeros(1, 1, 1, 32)
    scores[..., 3] = gap
    others = math.exp(-gap) / (1 + 31 * math.exp(-gap))
    own = 31 * (others * (1 - others)) ** 2 + ((1 - 31 * others) * 31 * others) ** 2
    pairs = 2 * (1 - 31 * others) ** 2 * 31 * others**2 + 31 * 30 * others**4
    found = rows(given := heads(scores), nothing(given))
    assert found["jacobian"].item() == pytest.approx(math.sqrt(own + pairs), rel=1e-5)
    assert found["k"].item() == 1


@pytest.mark.usefixtures("way")
def test_uniform_over_some():
    for m in (2, 8, 128):
        mask = torch.arange(256) < m
        given = heads(torch.zeros(1, 1, 2, 256), mask.expand(1, 1, 1, 256))
        found = rows(given, nothing(given))
        assert found["k"].tolist() == [[[math.ceil(0.9 * m)] * 2]]
        assert np.allclose(found["jacobian"], math.sqrt(m - 1) / m)
        assert np.allclose(found["entropy"], math.log(m))


@pytest.mark.usefixtures("way")
def test_the_read_out_and_states_that_see_nothing():
    scores = torch.randn(2, 3, 5, 9)
    mask = torch.rand(2, 1, 5, 9) > 0.4
    mask[0, 0, 2] = False
    given = heads(scores, mask)
    found = rows(given, nothing(given), readout=True)
    p = scores.masked_fill(~mask, -torch.inf).softmax(-1)
    seen = mask.any(-1).expand(2, 3, 5)
    torch.testing.assert_close(found.readout[seen], (p @ given.projection)[seen])
    assert np.isfinite(found.values[seen.numpy()]).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_both_ways_agree_and_chunks_do_not_matter(monkeypatch, threads):
    pytest.importorskip("numba")
    given, asked = heads(3 * torch.randn(3, 5, 40, 40)), [around(40)[0] for _ in range(3)]
    results: list[Rows] = []
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    for way, size in ((True, 2**18), (True, 1), (False, 2**18)):
        monkeypatch.setattr(module, "_compiles", lambda heads, way=way: way)
        monkeypatch.setattr(module, "AT_ONCE", size)
        results.append(rows(given, asked, readout=True))
    assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    for other in results[1:]:
        torch.testing.assert_close(results[0].readout, other.readout)
        assert np.allclose(results[0].values, other.values, rtol=1e-5, atol=1e-6)
        assert np.allclose(results[0].profile, other.profile, rtol=1e-5)
