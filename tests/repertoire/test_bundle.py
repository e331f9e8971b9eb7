"""A model on disk: read back as it was, or one clear error; nothing in it runs."""

import hashlib
import json
import shutil

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

from conftest import SMALL
from hopfield.errors import FileError
from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.targets import Target

TENSORS, REST = "model.safetensors", "model.json"


@pytest.fixture(scope="module")
def written(fitted, tmp_path_factory):
    return fitted.save(tmp_path_factory.mktemp("bundle") / "run" / "model")


@pytest.fixture
def folder(written, tmp_path):
    """A copy to be damaged."""
    return shutil.copytree(written, tmp_path / "model")


def change(folder, change):
    """Change the JSON by hand."""
    described = json.loads((folder / REST).read_text("utf-8"))
    change(described)
    (folder / REST).write_text(json.dumps(described), "utf-8")


def test_predictions_are_those_of_what_was_saved(planted, fitted, written):
    loaded = RepertoireClassifier.load(written)
    held_out = planted.repertoires[30:]
    np.testing.assert_array_equal(
        loaded.decision_function(held_out), fitted.decision_function(held_out)
    )
    assert loaded.predict(held_out).tolist() == fitted.predict(held_out).tolist()
    assert loaded.get_params() == fitted.get_params()
    assert loaded.classes_.tolist() == fitted.classes_.tolist()
    assert loaded.tasks_ == fitted.tasks_
    assert loaded.clones_ == fitted.clones_
    assert loaded.network_.architecture == fitted.network_.architecture
    assert (loaded.locus_, loaded.digest_) == (fitted.locus_, fitted.digest_)
    ours, theirs = loaded.history_, fitted.history_
    np.testing.assert_array_equal(ours.training, theirs.training)
    assert (ours.validation, ours.best) == (theirs.validation, theirs.best)
    for one, other in zip(loaded.screens_, fitted.screens_, strict=True):
        assert one.rows == other.rows
        for name in ("features", "t", "rates"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_what_is_loaded_can_be_saved_again_and_goes_on_learning(planted, written, tmp_path):
    loaded = RepertoireClassifier.load(written)
    again = loaded.save(tmp_path / "again")
    for name in (TENSORS, REST):
        assert (again / name).read_bytes() == (written / name).read_bytes()
    loaded.set_params(epochs=0, start="random")
    loaded.fit(planted.repertoires[:10], planted.metadata["diagnosis"][:10])


def test_the_same_seed_gives_the_same_bytes(planted, tmp_path):
    some, labels = planted.repertoires[:20], planted.metadata["diagnosis"][:20]
    for name in ("one", "other"):
        RepertoireClassifier(**SMALL | {"epochs": 1}).fit(some, labels).save(tmp_path / name)
    for name in (TENSORS, REST):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_the_folder_holds_two_files_and_no_pickle(written):
    assert {path.name for path in written.iterdir()} == {TENSORS, REST}
    described = json.loads((written / REST).read_text("utf-8"))
    assert described["what"].endswith("for research use only")
    assert "device" not in described["settings"] or described["settings"]["device"] == "auto"
    for path in written.iterdir():
        assert path.read_bytes()[:2] not in (b"PK", b"\x80\x02", b"\x80\x04", b"\x80\x05")


def test_the_text_is_json_for_every_reader(written):
    def constant(name):
        raise AssertionError(f"{name} is not JSON")

    json.loads((written / REST).read_text("utf-8"), parse_constant=constant)


def test_every_kind_of_target_comes_back(planted, tmp_path):
    some = planted.repertoires[:14]
    targets = [
        Target.of('Größe = "x"', pl.Series(np.linspace(1.5, 1.9, 14)), "regression"),
        Target.of("kind", pl.Series(["äöü", "b", "c"] * 4 + ["b", "c"])),
    ]
    settings = SMALL | {"epochs": 0, "v_size": 0, "start": "random"}
    model = RepertoireClassifier(**settings).fit(some, targets)
    loaded = RepertoireClassifier.load(model.save(tmp_path))
    for one, other in zip(loaded.predict_proba(some), model.predict_proba(some), strict=True):
        np.testing.assert_array_equal(one, other)
    assert loaded.predict(some).tolist() == model.predict(some).tolist()
    assert loaded.tasks_ == model.tasks_


def test_a_model_of_a_gpu_is_read_where_there_is_none(folder, planted):
    change(folder, lambda described: described["settings"].update(device="auto"))
    loaded = RepertoireClassifier.load(folder)
    assert len(loaded.predict(planted.repertoires[:2])) == 2


def test_saving_over_a_model_replaces_it(fitted, planted, tmp_path):
    fitted.save(tmp_path)
    model = RepertoireClassifier(**SMALL | {"epochs": 0, "heads": 2, "start": "random"})
    model.fit(planted.repertoires[:10], planted.metadata["diagnosis"][:10]).save(tmp_path)
    assert RepertoireClassifier.load(tmp_path).network_.architecture.heads == 2
    assert len([*tmp_path.iterdir()]) == 2


@pytest.mark.parametrize("missing", [TENSORS, REST, "both"])
def test_a_file_that_is_missing_is_an_error(folder, missing):
    for name in (TENSORS, REST) if missing == "both" else (missing,):
        (folder / name).unlink()
    with pytest.raises(FileError, match="model"):
        RepertoireClassifier.load(folder)


def test_a_folder_that_is_none_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "nowhere", tmp_path / "file", str(tmp_path)):
        with pytest.raises(FileError, match="holds no model"):
            RepertoireClassifier.load(path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'"model"', b"\xff\xfe", b"[" * 100_000, b"{}", b"1"]
)
def test_damaged_json_is_an_error(folder, content):
    (folder / REST).write_bytes(content)
    with pytest.raises(FileError, match="holds"):
        RepertoireClassifier.load(folder)


def test_half_a_character_is_an_error(folder):
    change(folder, lambda described: described["tasks"][0].update(name="\ud800"))
    with pytest.raises(FileError, match=r"model\.json cannot be read .*surrogates not allowed"):
        RepertoireClassifier.load(folder)


@pytest.mark.parametrize("number", [2, 0, None, "1", [1]])
def test_another_format_is_an_error_that_says_which(folder, number):
    change(folder, lambda described: described.update(format=number))
    with pytest.raises(FileError, match="reads format 1"):
        RepertoireClassifier.load(folder)


def test_tensors_that_were_cut_or_changed_are_an_error(folder):
    whole = (folder / TENSORS).read_bytes()
    changed = bytearray(whole)
    changed[-1] ^= 1
    for content in (b"", whole[:7], whole[: len(whole) // 2], whole[:-1], whole + b"0", changed):
        (folder / TENSORS).write_bytes(content)
        with pytest.raises(FileError, match="damaged"):
            RepertoireClassifier.load(folder)


def test_tensors_of_another_model_are_an_error(folder, planted, tmp_path):
    model = RepertoireClassifier(**SMALL | {"epochs": 0, "seed": 9, "start": "random"})
    other = model.fit(planted.repertoires[:10], planted.metadata["diagnosis"][:10]).save(tmp_path)
    shutil.copy(other / TENSORS, folder / TENSORS)
    with pytest.raises(FileError, match="not the one"):
        RepertoireClassifier.load(folder)


def exchange(folder, tensors):
    """Other tensors, of which the description knows."""
    save_file(tensors, folder / TENSORS)
    digest = hashlib.sha256((folder / TENSORS).read_bytes()).hexdigest()
    change(folder, lambda described: described.update(tensors=digest))


def test_a_tensor_too_few_or_too_many_is_an_error(folder):
    tensors = load_file(folder / TENSORS)
    fewer = {name: tensor for name, tensor in tensors.items() if name != "head.bias"}
    for content in (fewer, tensors | {"more": torch.zeros(1)}, {}):
        exchange(folder, content)
        with pytest.raises(FileError, match=r"state_dict|KeyError"):
            RepertoireClassifier.load(folder)


@pytest.mark.parametrize(("size", "number"), [("outputs", 10**6), ("kernels", 10**9)])
def test_sizes_are_compared_before_memory_is_taken(folder, size, number):
    change(folder, lambda described: described["architecture"].update({size: number}))
    with pytest.raises(FileError, match="has shape") as caught:
        RepertoireClassifier.load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1])
def test_tensors_that_no_training_leaves_are_an_error(folder, number):
    tensors = load_file(folder / TENSORS)
    exchange(folder, tensors | {"head.bias": torch.tensor([number])})
    with pytest.raises(FileError, match=r"head\.bias is no tensor of finite float32"):
        RepertoireClassifier.load(folder)


KEYS = [
    "format",
    "alphabet",
    "locus",
    "architecture",
    "tasks",
    "tensors",
    "settings",
    "data",
    "screens",
    "clones",
    "history",
]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_is_missing_is_an_error(folder, key):
    change(folder, lambda described: described.pop(key))
    with pytest.raises(FileError, match="holds a model"):
        RepertoireClassifier.load(folder)


@pytest.mark.parametrize("value", [None, 3, "text", [3], ["text"], [["text"]], {"a": 1}], ids=repr)
@pytest.mark.parametrize("key", [key for key in KEYS if key != "data"])
def test_a_value_of_another_kind_is_an_error(folder, key, value):
    change(folder, lambda described: described.update({key: value}))
    with pytest.raises(FileError, match="holds a model"):
        RepertoireClassifier.load(folder)


CHANGES = {
    "an unknown locus": lambda d: d.update(locus="TRX"),
    "other letters": lambda d: d.update(alphabet="ACGT"),
    "an unknown size": lambda d: d["architecture"].update(depth=3),
    "more heads": lambda d: d["architecture"].update(heads=5),
    "a fractional size": lambda d: d["architecture"].update(kernels=8.5),
    "a huge size": lambda d: d["architecture"].update(kernels=10**30),
    "fewer genes": lambda d: d["architecture"].update(v_genes=["TRBV9"]),
    "genes that are numbers": lambda d: d["architecture"].update(v_genes=7),
    "more outputs": lambda d: d["architecture"].update(outputs=2),
    "no task": lambda d: d.update(tasks=[]),
    "two tasks": lambda d: d.update(tasks=d["tasks"] * 2),
    "an unknown kind": lambda d: d["tasks"][0].update(kind="ordinal"),
    "three classes of two": lambda d: d["tasks"][0].update(classes=["a", "b", "c"]),
    "no name": lambda d: d["tasks"][0].pop("name"),
    "a name that is a number": lambda d: d["tasks"][0].update(name=1),
    "classes alike": lambda d: d["tasks"][0].update(classes=["a", "a"]),
    "classes that are numbers": lambda d: d["tasks"][0].update(classes=[0, 1]),
    "a class that is a list": lambda d: d["tasks"][0].update(classes=["a", ["b"]]),
    "no weights": lambda d: d["tasks"][0].pop("weights"),
    "a weight of 0": lambda d: d["tasks"][0].update(weights=[0, 1]),
    "a weight that is a word": lambda d: d["tasks"][0].update(weights=["a", 1]),
    "no spread": lambda d: d["tasks"][0].update(spread=0),
    "no mean": lambda d: d["tasks"][0].update(mean=float("nan")),
    "a class too few": lambda d: d["classes"].pop(),
    "an unknown setting": lambda d: d["settings"].update(depth=3),
    "a setting that makes no sense": lambda d: d["settings"].update(epochs="many"),
    "a share that is none": lambda d: d["settings"].update(validation=7),
    "an unknown k-mer": lambda d: d["screens"][0].update({"k-mers": ["SFEX"]}),
    "no rows": lambda d: d["screens"][0].pop("rows"),
    "history without an end": lambda d: d["history"].pop("best"),
    "history of words": lambda d: d["history"].update(training=["low"]),
    "history with a word for its end": lambda d: d["history"].update(best="x"),
    "history without bounds": lambda d: d["history"].update(training=[10**400]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed_by_hand_is_an_error(folder, name):
    change(folder, CHANGES[name])
    with pytest.raises(FileError, match="holds a model"):
        RepertoireClassifier.load(folder)
