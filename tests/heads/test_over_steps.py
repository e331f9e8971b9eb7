"""Pictures of heads over the steps of their learning."""

from io import BytesIO

import numpy as np
import pytest

from hopfield.errors import FileError
from hopfield.heads import weight_change
from hopfield.heads.history import COLUMNS, History
from hopfield.heads.over_steps import pictures, write
from hopfield.heads.weight_change import WeightChanges
from hopfield.phases import HeadClass

matplotlib = pytest.importorskip("matplotlib")
pytest.importorskip("matplotlib.image")

STEP = np.array([0, 100, 500, 1000])
LAYER = np.array([0, 0, 0, 1, 1])
CLASS = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 1, 4], [1, 1, 2, 3, 4], [1, 2, 2, 3, 4]])


@pytest.fixture
def history():
    counts = np.zeros((4, 5, 32), np.int64)
    counts[..., 3] = 7
    norm = np.linspace(0, 0.2, 20).reshape(4, 5)
    loss = np.array([np.nan, 6.0, 5.0, 4.0])
    head = np.array([0, 1, 2, 0, 1])
    share = np.zeros((4, 5, 5))
    return History(STEP, loss, LAYER, ("m",) * 5, head, CLASS, share, counts, {"jacobian": norm})


def changes(steps):
    weight = ("self.query", "output.dense") * 2
    layer = np.array([0, 0, 1, 1])
    change = np.arange(4.0 * len(steps)).reshape(-1, 4)
    return WeightChanges(np.array(steps), layer, ("m",) * 4, weight, change)


def drawn(figure):
    figure.savefig(BytesIO(), format="png")
    return [axes for axes in figure.axes if axes.get_visible()]


def test_a_ridge_for_each_head_and_step_in_the_colour_of_its_class(history):
    from hopfield.plot.violins import CLASS_COLOURS

    panels = drawn(pictures(history, changes([]))["k"].draw())
    assert len(panels) == len(LAYER)
    last = panels[-1].collections  # row by row: the last is head 2 of layer 0
    wanted = [matplotlib.colors.to_rgba(CLASS_COLOURS[HeadClass(one)]) for one in CLASS[:, 2]]
    assert [tuple(ridge.get_facecolor()[0]) for ridge in last] == wanted
    top = [ridge.get_paths()[0].vertices[:, 1].min() for ridge in last]
    assert top == [3, 2, 1, 0]  # time runs down
    peak = last[0].get_paths()[0].vertices
    assert peak[peak[:, 1].argmax(), 0] == pytest.approx((3.5 / 32) ** 0.5)


def test_classes_add_up_to_all_heads_with_the_loss_over_them(history):
    axes, beside = drawn(pictures(history, changes([]))["classes"].draw())
    tops = [area.get_paths()[0].vertices[:, 1].max() for area in axes.collections]
    assert max(tops) == len(LAYER)
    assert beside.lines[0].get_xdata().tolist() == [100, 500, 1000]
    assert beside.lines[0].get_ydata().tolist() == [6, 5, 4]


def test_a_loss_of_ones_own(history):
    own = np.array([1.0, 2.0]), np.array([9.0, 8.0])
    _, beside = drawn(pictures(history, changes([]), own)["classes"].draw())
    assert beside.lines[0].get_ydata().tolist() == [9, 8]


def test_without_a_loss(history):
    history.loss[:] = np.nan
    assert len(drawn(pictures(history, changes([]))["classes"].draw())) == 1


def test_norms_of_layers_lie_between_those_of_their_heads(history):
    (axes,) = drawn(pictures(history, changes([]))["jacobian"].draw())
    found = {line.get_label(): line.get_ydata() for line in axes.lines}
    norm = history.mean["jacobian"]
    np.testing.assert_allclose(found["layer 0"], norm[:, :3].mean(-1))
    np.testing.assert_allclose(found["layer 1"], norm[:, 3:].mean(-1))


def test_a_panel_for_each_kind_of_matrix(history):
    assert "weights" not in pictures(history, changes([]))
    query, dense = drawn(pictures(history, changes([1000, 2000]))["weights"].draw())
    assert (query.get_title(), dense.get_title()) == ("self.query", "output.dense")
    assert [line.get_ydata().tolist() for line in query.lines] == [[0, 4], [2, 6]]
    assert [line.get_ydata().tolist() for line in dense.lines] == [[1, 5], [3, 7]]


def test_the_page_lies_beside_the_tables(tmp_path):
    with pytest.raises(FileError, match=r"heads\.csv cannot be read"):
        write(tmp_path)
    row = dict.fromkeys(COLUMNS, "0.5") | {"step": "3", "layer": "0", "head": "0", "class": "1"}
    row["counts"] = " ".join(["2"] * 32)
    (tmp_path / "heads.csv").write_text(",".join(COLUMNS) + "\n" + ",".join(row.values()) + "\n")
    (tmp_path / "weights.csv").write_text(",".join(weight_change.COLUMNS) + "\n")
    page = write(tmp_path).read_text("utf-8")  # one look is enough
    assert "1 head, 1 look from step 3 to 3" in page
    assert page.count("<figure") == 3
    for name in ("k", "classes", "jacobian"):
        assert matplotlib.image.imread(tmp_path / "figures" / f"{name}.png").std() > 0
        assert (tmp_path / "figures" / f"{name}.svg").exists()
