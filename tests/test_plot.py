"""Pictures show what they are given, on labelled axes."""

import math

import pytest
import torch

from hopfield import landscape, plot, theory
from hopfield.energies import Epanechnikov, Modern, Polynomial, RandomFeatures
from hopfield.errors import ArgumentError, ShapeError
from hopfield.theory import MeasuredCapacity, on_sphere

pytest.importorskip("matplotlib")

STORED = torch.tensor([[2.0, 0.0], [-2.0, 0.5], [0.0, -2.0]]).double()


@pytest.fixture(scope="module")
def grid():
    stored = on_sphere(60, 10, 3.0, torch.Generator().manual_seed(0))
    return landscape.trade_off(stored, [5, 20, 60], [0.05, 0.5, 5.0], noise=0.1, sample=5)


def measured(law, noise=0.02):
    return [
        MeasuredCapacity(d, law(d), ((1 - noise) * law(d), (1 + noise) * law(d)),
                         torch.tensor([0.99, 1.01]).double() * law(d), 0)
        for d in (8, 10, 12)
    ]  # fmt: skip


def labelled(figure):
    places = [place for place in figure.axes if place.get_label() != "<colorbar>"]
    assert places
    for place in places:
        assert place.get_ylabel()
    assert places[-1].get_xlabel()
    figure.canvas.draw()
    return places


def test_landscape():
    memory = Modern(STORED, beta=2.0)
    plane = landscape.plane(memory, points=31)
    assert len(plane.attractor) == 3
    assert set(plane.basin.unique().tolist()) <= {-1, 0, 1, 2}
    corner = torch.stack([plane.x[4], plane.y[9]])
    torch.testing.assert_close(plane.energy[9, 4], memory.energy(corner[None])[0])
    way = memory.retrieve(STORED + 0.5, steps=4, trajectory=True).trajectory.state
    figure = plot.landscape(plane, STORED, "title", way)
    (place,) = (p for p in labelled(figure) if p.get_title() == "title")
    assert len(place.lines) == 4  # and one for the legend
    torch.testing.assert_close(torch.tensor(place.lines[1].get_xdata()), way[:, 1, 0])


@pytest.mark.parametrize(
    "memory",
    [
        Polynomial(STORED, degree=6),
        Epanechnikov(STORED, beta=1.0),
        RandomFeatures(STORED, beta=1.0, features=64),
    ],
)
def test_landscapes_of_other_energies(memory):
    plane = landscape.plane(memory, points=15, limits=(-4.0, 4.0, -3.0, 3.0))
    assert plane.energy.shape == (15, 15)
    labelled(plot.landscape(plane, STORED, "t"))


def test_where_no_pattern_is_felt_there_is_no_basin():
    plane = landscape.plane(
        Epanechnikov(STORED, beta=1.0), points=41, limits=(-9.0, 9.0, -9.0, 9.0)
    )
    assert (plane.basin[plane.energy.isposinf()] == -1).all()
    assert plane.energy.isposinf().any()
    torch.testing.assert_close(plane.attractor.sort(0).values, STORED.sort(0).values)


def test_planes_that_cannot_be(untyped):
    with pytest.raises(ShapeError, match="have 3 entries; 2 are expected"):
        landscape.plane(Modern(torch.randn(4, 3), beta=1.0))
    with pytest.raises(ArgumentError, match="limits are missing"):
        landscape.plane(RandomFeatures(STORED, beta=1.0, features=8))
    with pytest.raises(ArgumentError, match="least and largest x"):
        landscape.plane(Modern(STORED, beta=1.0), limits=(1.0, 0.0, 0.0, 1.0))


def test_bifurcation(untyped):
    betas = torch.linspace(0.1, 0.6, 21).tolist()
    found = landscape.bifurcation(torch.tensor([[2.0, 0.0], [-2.0, 0.0]]), betas)
    assert found.critical == pytest.approx(0.25)
    below, above = found.beta < 0.24, found.beta > 0.26
    assert found.ends[below].abs().max() < 1e-3
    t = found.ends[above, 0]
    torch.testing.assert_close(t, torch.tanh(4 * found.beta[above] * t), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.ends[:, 2], -found.ends[:, 0], atol=1e-6, rtol=0)
    (place,) = labelled(plot.bifurcation(found, "t"))
    exact = next(line for line in place.lines if line.get_label().startswith("critical β"))
    assert list(exact.get_xdata()) == [1.0, 1.0]
    equal = on_sphere(2, 6, 4.0, torch.Generator().manual_seed(0))
    middle = landscape.bifurcation(equal.float(), [0.05, 0.5, 2.0]).ends[:, 1]
    assert middle.abs().max() < 1e-6  # lengths that differ by rounding are equal
    with pytest.raises(ShapeError, match="two patterns are expected"):
        landscape.bifurcation(STORED, [1.0])


def test_grids(grid):
    labelled(plot.phase_diagram(grid, "t"))
    places = labelled(plot.over_grid(grid.retrieved(), grid, "t", "share"))
    (mesh,) = places[0].collections
    shown = torch.tensor(mesh.get_array().reshape(3, 3))
    torch.testing.assert_close(shown, grid.retrieved())
    assert len(labelled(plot.steps(grid, "t"))) == 3
    place = labelled(plot.share_once(grid, "t"))[0]
    torch.testing.assert_close(
        torch.tensor(place.lines[2].get_ydata()), grid.retrieved(once=True)[-1]
    )
    place = labelled(plot.share_against_delta(grid, 2, "t"))[0]
    shares = [float(y) for y in place.lines[0].get_ydata()]
    assert sum(shares) > 0
    assert all(0 <= y <= 1 for y in shares)
    promised = [float(y) for y in place.lines[1].get_ydata()]
    assert all(p <= y for p, y in zip(promised, shares, strict=True))
    (place,) = labelled(plot.once_against_delta(grid, 0, 2, "t"))
    told, all_of = (len(points.get_offsets()) for points in place.collections)
    assert all_of == 5
    assert told == int((grid.bound[0, 2] <= 2 * grid.length).sum())


def test_one_cell_is_a_grid():
    stored = on_sphere(10, 6, 3.0, torch.Generator().manual_seed(0))
    found = landscape.trade_off(stored, [10], [1.0])
    labelled(plot.phase_diagram(found, "t"))
    labelled(plot.steps(found, "t"))


def test_capacities():
    once = measured(lambda d: math.exp(0.6 * d))
    figure = plot.capacities(
        once,
        "t",
        fit=theory.growth(once),
        lines={"estimate": [1.0, math.nan, 3.0]},
        others={"power": measured(lambda d: float(d**2))},
    )
    (place,) = labelled(figure)
    assert place.get_yscale() == "log"
    names = {text.get_text() for text in place.get_legend().get_texts()}
    assert {"measured", "estimate", "power"} <= names
    assert any("e^(0.60 d)" in name for name in names)


def test_pictures_of_what_does_not_fit():
    once = measured(lambda d: float(d))
    with pytest.raises(ArgumentError, match="a series of capacities is empty"):
        plot.capacities([], "t")
    with pytest.raises(ArgumentError, match="a series of capacities is empty"):
        plot.capacities(once, "t", others={"none": []})
    with pytest.raises(ArgumentError, match="'short' with another number of points than the 3"):
        plot.capacities(once, "t", lines={"short": [1.0]})
    plane = landscape.plane(Modern(STORED, beta=2.0), points=5)
    with pytest.raises(ShapeError, match=r"\(N, 2\) is expected"):
        plot.landscape(plane, torch.randn(3, 6), "t")
