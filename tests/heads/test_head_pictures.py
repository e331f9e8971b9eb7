"""Pictures of heads: what is in them, for few heads and for many."""

import numpy as np
import pytest

from hopfield.phases import HeadClass
from hopfield.plot import heads as plot
from hopfield.plot.theme import theme
from hopfield.plot.violins import CLASS_COLOURS, STEPS, Violin, violins


def violin(name, share, head_class=HeadClass.II, k=7.0):
    counts = np.zeros(1024, np.int64)
    counts[round(1024 * share) - 1] = 5
    return Violin(name, counts, k, head_class)


def drawn(figure):
    """It can be drawn, on dark ground too, and no text is cut off at its edges."""
    with theme("dark"):
        figure.draw_without_rendering()
    return figure


def shapes(figure):
    """Corners and colours of the violins."""
    collection = figure.axes[0].collections[-1]
    corners = [path.vertices[:-1] for path in collection.get_paths()]
    return corners, collection.get_facecolors()


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_a_violin_is_widest_where_the_states_are():
    figure = drawn(violins([[violin("3", 0.25)], [violin("1", 0.01)]], "t"))
    (upper, lower), _ = shapes(figure)
    for corners, floor, share in ((upper, 0, 0.25), (lower, -1.5, 0.01)):
        left, right = corners[:STEPS], corners[STEPS:][::-1]
        np.testing.assert_allclose(left[:, 0], -right[:, 0], atol=1e-12)
        widest = right[right[:, 0].argmax(), 1] - floor
        assert widest == pytest.approx(share**0.5, abs=1 / STEPS)
        assert right[:, 0].max() == pytest.approx(0.42)


def test_a_violin_has_class_median_and_name():
    heads = [violin("3", 0.7, HeadClass.I, 180.0), violin("0", 0.01, HeadClass.IV, 3.0)]
    figure = drawn(violins([heads], "t", names=["encoder"]))
    assert texts(figure) == ["I 180", "3", "IV 3", "0", "encoder"]
    assert figure.axes[0].texts[0].get_fontweight() == "bold"
    _, colours = shapes(figure)
    assert len({tuple(colour) for colour in colours}) == 2
    levels = [line.get_text() for line in figure.axes[0].get_yticklabels()]
    assert levels == ["N/32", "N/8", "N/2", "N"]


def test_halves_of_two_models():
    first, second = violin("3", 0.7, HeadClass.I), violin("3", 0.2, HeadClass.II)
    figure = drawn(violins([[first]], "t", [[second]]))
    (left, right), colours = shapes(figure)
    assert left[:, 0].max() == right[:, 0].min() == 0
    assert left[:, 0].min() == pytest.approx(-0.42)
    assert right[:, 0].max() == pytest.approx(0.42)
    assert tuple(colours[0]) != tuple(colours[1])
    assert texts(figure)[0] == "I 7\nII 7"


def test_layers_of_different_sizes():
    layers = [[violin(str(h), 0.3) for h in range(count)] for count in (1, 12, 3)]
    figure = drawn(violins(layers, "t"))
    assert len(shapes(figure)[0]) == 16


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (48, 64)])
def test_heat_maps(shape):
    values = np.arange(np.prod(shape), dtype=float).reshape(shape)
    values[-1, -1] = np.nan
    figure = drawn(plot.by_head(values, "title", "label"))
    image = figure.axes[0].images[0].get_array()
    assert np.ma.getmaskarray(image)[-1, -1]
    assert image.shape == shape
    assert len(figure.axes[0].get_xticks()) <= 16
    assert figure.axes[1].get_ylabel() == "label"


@pytest.mark.parametrize("count", [1, 5, 300])
def test_distances(count):
    values = np.full((count, 3), [0.0, 1.0, np.nan])
    names = [f"0.{n}" for n in range(count)]
    figure = drawn(plot.by_distance(names, ["−1", "0", "1"], values, "t"))
    image = figure.axes[0].images[0].get_array()
    assert image[0, 1] == 0  # as uniform
    assert image[0, 0] == -plot.FARTHEST  # the farthest that colours go
    assert np.ma.getmaskarray(image)[0, 2]
    assert figure.get_figheight() < 26
    assert len(figure.axes[0].get_yticks()) <= 230


@pytest.mark.parametrize(
    ("counts", "labelled"), [([[8, 0, 1, 3]], True), ([[30, 30, 4, 0]], False)]
)
def test_class_counts(counts, labelled):
    figure = drawn(plot.class_counts(np.array(counts * 40), "t"))
    bars = [[bar.get_width() for bar in group] for group in figure.axes[0].containers]
    assert np.array(bars).T.tolist() == counts * 40
    said = [text.get_text() for text in figure.axes[0].texts]
    assert ("I 8" in said) == labelled
    assert figure.axes[0].get_ylim() == (39.5, -0.5)


def test_the_jacobian_by_class():
    figure = drawn(
        plot.stretch(["I", "II", "III", "IV", "k = 1"], [3, 2500, 0, 1, 2e6], [0.1] * 5, "t")
    )
    labels = [text.get_text().split("\n")[-1] for text in figure.axes[0].texts]
    assert labels == ["3 states", "2.5 k states", "none", "1 state", "2 M states"]
    assert figure.axes[0].texts[0].get_text().startswith("0.100")


def test_over_depth():
    curves = {"A": (np.array([0.0, 1.0]), np.array([0.5, 0.1])), "B": (np.zeros(1), np.ones(1))}
    figure = drawn(plot.over_depth(curves, "t"))
    assert [line.get_label() for line in figure.axes[0].lines] == ["A", "B"]


def test_colours_are_told_apart_without_red_and_green():
    """By lightness and blue alone, as most of those see who do not tell red from green."""
    grounds = np.array(
        [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in CLASS_COLOURS.values()], float
    )
    seen = np.stack([grounds @ [0.3, 0.59, 0.11], grounds[:, 2]], -1)
    distance = np.linalg.norm(seen[:, None] - seen, axis=-1) + 1e9 * np.eye(4)
    assert distance.min() > 25
