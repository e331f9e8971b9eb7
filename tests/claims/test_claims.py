"""The claims: each comes to its verdict, and each verdict can come out."""

import json
from dataclasses import replace

import pytest
import torch

import hopfield
from hopfield.claims import (
    CLAIMS,
    Finding,
    Measured,
    Verdict,
    attention,
    claims,
    descent,
    elsewhere,
    gradients,
    heads,
    layers,
    load,
    minima,
    one_update,
    repertoires,
    run,
    small_errors,
    storage,
)
from hopfield.claims import claim as claim_module
from hopfield.claims.claim import Setting
from hopfield.cli import main
from hopfield.errors import ArgumentError, FileError
from hopfield.files.ledger import Ledger
from pages import Page

QUICKLY = {
    "descent": Verdict.REPRODUCES,
    "exponential-storage": Verdict.REPRODUCES,
    "one-update": Verdict.REPRODUCES,
    "small-errors": Verdict.REPRODUCES,
    "three-minima": Verdict.PARTLY,
    "gradients": Verdict.PARTLY,
    "attention": Verdict.REPRODUCES,
    "heads-characterised": Verdict.NOT_TESTABLE,
    "heads-by-depth": Verdict.NOT_TESTABLE,
    "layers-store": Verdict.REPRODUCES,
    "mechanisms": Verdict.PARTLY,
    "breadth": Verdict.NOT_TESTABLE,
    "multiple-instance": Verdict.NOT_TESTABLE,
    "repertoires": Verdict.PARTLY,
    "small-tables": Verdict.NOT_TESTABLE,
    "drug-design": Verdict.NOT_TESTABLE,
    "code": Verdict.NOT_TESTABLE,
}


@pytest.fixture
def fewer(monkeypatch):
    """Fewer random problems."""
    monkeypatch.setattr(descent, "PROBLEMS", 2000)
    monkeypatch.setattr(small_errors, "PROBLEMS", 10_000)


def setting(name="test", **how):
    plain = Setting(True, 0, None, None, False, Ledger(), name)
    return replace(plain, **how)


def test_there_is_a_claim_for_each():
    assert QUICKLY.keys() == CLAIMS.keys()
    for claim in CLAIMS.values():
        assert claim.says.endswith(".")
        assert claim.criterion.endswith(".")


@pytest.mark.parametrize("name", QUICKLY)
def test_a_claim_comes_to_its_verdict_and_its_page(name, fewer, tmp_path):
    if name in ("layers-store", "mechanisms"):
        pytest.importorskip("sklearn")
    found = claims(tmp_path / "out", quick=True, only=[name])
    (checked,) = found.checked
    assert checked.finding.verdict == QUICKLY[name]
    assert len(checked.finding.reason) > 20
    for number in checked.finding.numbers:
        if None not in (number.low, number.high):
            assert number.low <= number.value * (1 + 1e-9) + 1e-12
            assert number.value <= number.high * (1 + 1e-9) + 1e-12
    html = (tmp_path / "out" / "claims.html").read_text("utf-8")
    text = "".join(Page(html).text)
    assert checked.claim.criterion in text
    assert checked.finding.reason in text
    read, about = load(tmp_path / "out" / "claims.json")
    assert read[0].finding == checked.finding
    assert about["quick"] is True
    json.loads((tmp_path / "out" / "claims.json").read_text("utf-8"), parse_constant=pytest.fail)


def test_an_update_that_raises_the_energy_is_found(monkeypatch, fewer):
    class Wrong:
        """Weights that are three times the slope of the conjugate."""

        def weights(self, scores):
            return 3 * torch.softmax(scores, -1)

        def conjugate(self, scores):
            return scores.logsumexp(-1)

    monkeypatch.setattr(descent, "SEPARATIONS", {"wrong": Wrong()})
    found = descent.check(setting())
    assert found.verdict == Verdict.DOES_NOT
    assert found.numbers[0].value > 0.1


def test_states_that_do_not_rest_are_partly(monkeypatch, fewer):
    monkeypatch.setattr(descent, "STEPS", 2)
    assert descent.check(setting()).verdict == Verdict.PARTLY


def test_power_law_capacity_is_not_exponential(monkeypatch):
    """The same check with the polynomial energy: the exponential law is not likelier."""

    def cubes(d, **how):
        trials = torch.tensor([0.9, 1.0, 1.1, 1.0, 1.05, 0.95]).double() * d**3
        return hopfield.theory.MeasuredCapacity(d, float(d**3), (0.9 * d**3, 1.1 * d**3), trials, 0)

    monkeypatch.setattr(storage, "measure_capacity", cubes)
    found = storage.check(setting())
    assert found.verdict == Verdict.PARTLY
    assert found.numbers[1].value < 0
    nothing = {"guarantee": 7.0, "kept": [0, 300], "certain": [1, 5000], "retrieved": [1, 5000]}
    monkeypatch.setattr(storage, "_example", lambda *_: nothing)
    assert storage.check(setting()).verdict == Verdict.DOES_NOT


def test_an_update_that_does_not_retrieve_is_found(monkeypatch):
    monkeypatch.setattr(one_update, "update", lambda state, stored, **_: 0 * state)
    assert one_update.check(setting()).verdict == Verdict.DOES_NOT
    few = {"beta": 1.0, "tested": 500, "once": 1, "still": 1, "certain": 0, "bounded": 0}
    monkeypatch.setattr(one_update, "_compared", lambda *_: few)
    assert one_update.check(setting()).verdict == Verdict.DOES_NOT


def test_errors_above_their_bound_are_found(monkeypatch, fewer):
    bound = small_errors.retrieval_error_bound
    monkeypatch.setattr(
        small_errors, "retrieval_error_bound", lambda *a, **k: 1e-3 * bound(*a, **k)
    )
    assert small_errors.check(setting()).verdict == Verdict.DOES_NOT


def test_minima_of_one_kind_do_not_reproduce(monkeypatch):
    monkeypatch.setattr(minima, "BETAS", {True: 2})
    monkeypatch.setattr(minima, "ALL", 1.1)
    assert minima.check(setting()).verdict == Verdict.DOES_NOT


def test_gradients_that_are_nowhere_as_claimed(monkeypatch):
    """Largest in the global state, and not vanishing near a pattern."""
    found = {
        "beta": [1.0, 2.0, 4.0, 20.0],
        "label": [[2, 2], [1, 1], [0, 0], [0, 0]],
        "jacobian": [[3.0, 3.0], [2.0, 2.0], [1.0, 1.0], [1.0, 1.0]],
        "gradient": [[3.0, 3.0], [2.0, 2.0], [1.0, 1.0], [1.0, 1.0]],
        "entropy": [[1.0, 1.0], [0.5, 0.5], [0.1, 0.1], [None, None]],
    }
    monkeypatch.setattr(gradients, "_slopes", lambda *_: found)
    assert gradients.check(setting()).verdict == Verdict.DOES_NOT
    as_said = {name: [row[:] for row in found[name]] for name in ("jacobian", "gradient")}
    for rows in as_said.values():
        rows[1], rows[3] = [9.0, 9.0], [1e-4, 1e-4]
    monkeypatch.setattr(gradients, "_slopes", lambda *_: found | as_said)
    assert gradients.check(setting()).verdict == Verdict.REPRODUCES
    monkeypatch.setattr(gradients, "_slopes", lambda *_: found | {"jacobian": as_said["jacobian"]})
    assert gradients.check(setting()).verdict == Verdict.PARTLY


@pytest.mark.parametrize("wrong", [lambda y: 1.001 * y, lambda y: y * torch.nan])
def test_attention_that_differs_is_found(monkeypatch, wrong):
    function = attention.scaled_dot_product_attention
    monkeypatch.setattr(
        attention, "scaled_dot_product_attention", lambda *a, **k: wrong(function(*a, **k))
    )
    assert attention.check(setting()).verdict == Verdict.DOES_NOT


def test_attention_without_transformers_is_partly(monkeypatch):
    monkeypatch.setattr(attention, "find_spec", lambda name: None)
    found = attention.check(setting())
    assert found.verdict == Verdict.PARTLY
    assert "transformers is not installed" in found.reason


def test_baselines_that_are_better_are_found(monkeypatch):
    pytest.importorskip("polars")
    found = {"Hopfield pooling": [(0.7, 0.6, 0.8)], "other": [(0.9, 0.8, 1.0)]}
    monkeypatch.setattr(repertoires, "_aucs", lambda *_: found)
    assert repertoires.check(setting()).verdict == Verdict.DOES_NOT


def head(layer, kind, borderline=False):
    return {"layer": layer, "head": 0, "class": kind, "share": 0.5, "borderline": borderline}


def test_heads_are_judged_by_depth():
    story = [head(0, 1), head(0, 1), head(1, 2), head(1, 3), head(2, 2)]
    assert heads._by_depth(story).verdict == Verdict.REPRODUCES
    first_alone = [head(0, 1), head(1, 4), head(2, 4)]
    assert heads._by_depth(first_alone).verdict == Verdict.PARTLY
    assert heads._by_depth([head(0, 4), head(1, 4), head(2, 1)]).verdict == Verdict.DOES_NOT
    assert heads._characterised(story).verdict == Verdict.REPRODUCES
    unsure = [head(0, 1, True), head(1, 2)]
    assert heads._characterised(unsure).verdict == Verdict.PARTLY
    assert heads._characterised([head(0, 1), head(1, 1)]).verdict == Verdict.DOES_NOT


def test_heads_of_a_model(tmp_path):
    pytest.importorskip("transformers")
    pytest.importorskip("polars")
    from saved_models import save

    save(tmp_path / "model", layers=3)
    text = tmp_path / "text.txt"
    text.write_text(" ".join(f"word{n % 35}" for n in range(3000)))
    names = ["heads-characterised", "heads-by-depth", "one-update"]
    found = claims(
        tmp_path / "out", quick=True, only=names, model=str(tmp_path / "model"), text=text
    )
    assert all(one.finding.verdict != Verdict.NOT_TESTABLE for one in found.checked)
    assert found.about["model"].endswith("/model")
    once = next(one for one in found.checked if one.claim.name == "one-update")
    assert "sentences" in once.finding.data


def test_layers_that_do_not_learn_do_not_reproduce(monkeypatch):
    monkeypatch.setattr(layers, "_train", lambda *_: None)
    monkeypatch.setattr(layers, "SEEDS", {True: 1})
    assert layers.check_stores(setting()).verdict == Verdict.PARTLY  # raw data need no training
    assert layers.check_mechanisms(setting()).verdict != Verdict.REPRODUCES


def test_it_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    calls, stops = [], [1]

    def check(setting):
        for n in range(3):
            setting.part(str(n), calls.append, n)
            if n in stops:
                stops.remove(n)
                raise OSError("stopped")
        return Finding(Verdict.REPRODUCES, "it was resumed, as it should be")

    claim = replace(elsewhere.DRUGS, check=check)
    monkeypatch.setitem(run.CLAIMS, claim.name, claim)
    with pytest.raises(OSError, match="stopped"):
        claims(tmp_path / "out", quick=True, only=[claim.name])
    found = claims(tmp_path / "out", quick=True, only=[claim.name])
    assert calls == [0, 1, 2]
    assert found.checked[0].finding.verdict == Verdict.REPRODUCES
    again = claims(tmp_path / "out", quick=True, only=[claim.name])
    assert calls == [0, 1, 2]
    assert again.checked[0].finding == found.checked[0].finding
    more = claims(tmp_path / "out", quick=True, only=["small-tables"])
    assert [one.claim.name for one in more.checked] == ["small-tables", claim.name]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"only": ["storage"]}, "only is 'storage'; choose one of 'descent'"),
        ({"seed": -1}, "seed is -1"),
        ({"model": "x"}, "a model needs a text"),
        ({"text": "x"}, "a model needs a text"),
        ({"model": "x", "text": "nowhere.txt"}, r"nowhere\.txt is not there"),
    ],
)
def test_bad_input(how, message, tmp_path):
    with pytest.raises(ArgumentError, match=message):
        claims(tmp_path / "out", quick=True, **how)
    assert not (tmp_path / "out").exists()


def test_a_folder_is_of_one_code(tmp_path, monkeypatch):
    claims(tmp_path, quick=True, only=["drug-design"])
    monkeypatch.setattr(run, "fingerprint", lambda: "of other code")
    with pytest.raises(ArgumentError, match=r"other settings \(code: "):
        claims(tmp_path, quick=True, only=["drug-design"])


def test_a_missing_library_is_not_kept(tmp_path, monkeypatch):
    """What could not be tested then is tested now."""
    monkeypatch.setattr(repertoires, "NEEDED", ("no_such_library",))
    found = claims(tmp_path, quick=True, only=["repertoires"])
    assert "no_such_library is not installed" in found.checked[0].finding.reason
    monkeypatch.undo()
    monkeypatch.setattr(repertoires, "_aucs", lambda *_: {"a": [(1, 1, 1)], "b": [(1, 1, 1)]})
    again = claims(tmp_path, quick=True, only=["repertoires"])
    assert again.checked[0].finding.verdict == Verdict.PARTLY


@pytest.mark.parametrize(
    "line",
    [
        '["claim drug-design", 3]',
        '["claim drug-design", {}]',
        '["attention: all, transformers True", 1]',
    ],
)
def test_parts_of_the_wrong_form(tmp_path, line):
    claims(tmp_path, quick=True, only=["drug-design"])
    with (tmp_path / "parts.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(FileError, match=r"parts\.jsonl is damaged"):
        claims(tmp_path, quick=True, only=["attention"])


@pytest.mark.parametrize("text", ["", "a few words"])
def test_a_text_that_is_too_short(tmp_path, text):
    pytest.importorskip("transformers")
    pytest.importorskip("polars")
    from saved_models import save

    save(tmp_path / "model")
    (tmp_path / "text.txt").write_text(text)
    with pytest.raises(ArgumentError):
        claims(tmp_path / "out", model=str(tmp_path / "model"), text=tmp_path / "text.txt")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else(tmp_path):
    claims(tmp_path, quick=True, only=["drug-design"])
    with pytest.raises(ArgumentError, match=r"other settings.*quick: true, now false"):
        claims(tmp_path, only=["drug-design"])
    (tmp_path / "parts.jsonl").write_text("no\n")
    with pytest.raises(FileError, match=r"parts\.jsonl is damaged"):
        claims(tmp_path, quick=True, only=["drug-design"])
    other = tmp_path / "x.json"
    for damage in ("{}", "[", '{"format": 9}'):
        other.write_text(damage)
        with pytest.raises(FileError, match="is no file of claims"):
            load(other)


def test_intervals_of_shares_and_medians():
    found = claim_module.share("s", 3, 10)
    assert found.low < 0.3 < found.high
    assert claim_module.share("s", 0, 1000).high == pytest.approx(0.00368, abs=1e-4)
    middle = claim_module.median("m", list(range(101)))
    assert middle.value == 50
    assert (middle.low, middle.high) == (40, 60)
    assert Measured("x", 1.0, float("nan"), float("inf")).high is None


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["claims", "--list"]) == 0
    assert "exponential-storage  The number of patterns" in capsys.readouterr().out
    assert main(["claims", "--quick", "--only", "attention", "--only", "drug-design"]) == 0
    printed = capsys.readouterr().out
    assert "attention    reproduces" in printed
    assert "report: claims-quick/claims.html" in printed
    assert main(["claims", "--only", "everything"]) == 1
    assert "only is 'everything'; choose one of" in capsys.readouterr().err
