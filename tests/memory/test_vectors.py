"""Patterns in files, read in batches, and results written."""

import json
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import torch

from hopfield.errors import ArgumentError, FileError, MissingExtraError
from hopfield.memory import Memory
from hopfield.memory.files.adding import add_files, open_files
from hopfield.memory.files.results import write_results
from hopfield.memory.files.vectors import read_ids, read_states, read_vectors

FORMATS = [".npy", ".safetensors", ".parquet"]


@pytest.fixture
def x():
    return torch.randn(100, 6, generator=torch.Generator().manual_seed(0))


def lists(tensor):
    return pa.FixedSizeListArray.from_arrays(pa.array(tensor.flatten().numpy()), tensor.shape[1])


def save(path, tensor):
    """Vectors alone, in the format of the ending."""
    if path.suffix == ".npy":
        np.save(path, tensor.numpy())
    elif path.suffix == ".safetensors":
        safetensors.torch.save_file({"x": tensor}, path)
    else:
        pq.write_table(pa.table({"x": lists(tensor)}), path, row_group_size=30)
    return path


def gathered(vectors, rows):
    """All batches joined; they are bounded, and each begins where the one before ended."""
    batches = [*vectors.batches(rows)]
    assert max(map(len, batches)) <= rows
    assert [one.start for one in batches] == np.cumsum([0, *map(len, batches)])[:-1].tolist()
    columns = zip(*((one.patterns, one.values, one.ids) for one in batches), strict=True)
    return [None if column[0] is None else torch.cat(column) for column in columns]


@pytest.mark.parametrize("rows", [1, 7, 100, 1000])
@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_all_formats_and_dtypes(ending, dtype, rows, x, tmp_path):
    vectors = read_vectors(save(tmp_path / f"Größe ξ{ending}", x.to(dtype)))
    assert (len(vectors), vectors.dim) == (100, 6)
    patterns, values, ids = gathered(vectors, rows)
    assert patterns.dtype == dtype
    assert torch.equal(patterns, x.to(dtype))
    assert values is None
    assert ids is None


@pytest.mark.parametrize("ending", FORMATS)
def test_endings_in_capitals(ending, x, tmp_path):
    path = save(tmp_path / f"x{ending}", x).rename(tmp_path / f"X{ending.upper()}")
    assert torch.equal(gathered(read_vectors(path), 30)[0], x)
    files = write_results(path, 100, iter([{"state": x, "n": x[:, 0]}]))
    assert all(one.exists() for one in files)


@pytest.mark.parametrize("ending", FORMATS)
def test_no_rows(ending, x, tmp_path):
    vectors = read_vectors(save(tmp_path / f"x{ending}", x[:0]))
    assert [batch.patterns.shape for batch in vectors.batches(10)] == [(0, 6)]


def test_arrays_of_other_orders(x, tmp_path):
    np.save(tmp_path / "columns.npy", np.asfortranarray(x.numpy()))
    np.save(tmp_path / "big.npy", x.numpy().astype(">f4"))
    for name in ("columns", "big"):
        assert torch.equal(gathered(read_vectors(tmp_path / f"{name}.npy"), 30)[0], x)


def test_safetensors_have_values_and_ids(x, tmp_path):
    path = tmp_path / "x.safetensors"
    tensors = {"patterns": x.bfloat16(), "other": x, "ids": torch.arange(100) + 5}
    for name, values in {"labels": torch.arange(100) % 3, "values": x[:, :2].half()}.items():
        safetensors.torch.save_file(tensors | {name: values}, path)
        patterns, read, ids = gathered(read_vectors(path), 30)
        assert torch.equal(patterns, x.bfloat16())
        assert torch.equal(read, values)
        assert torch.equal(ids, torch.arange(100) + 5)
        assert gathered(read_states(path), 30)[1:] == [None, None]
        assert torch.equal(gathered(read_vectors(path, column="other"), 30)[0], x)


def test_tensors_of_other_dtypes_are_passed_over(x, tmp_path):
    path = tmp_path / "x.safetensors"
    safetensors.torch.save_file({"x": x, "small": x.to(torch.float8_e4m3fn)}, path)
    assert torch.equal(gathered(read_vectors(path), 30)[0], x)


def test_other_dtypes_alone_are_named(x, tmp_path):
    path = tmp_path / "x.safetensors"
    safetensors.torch.save_file({"small": x.to(torch.float8_e4m3fn)}, path)
    with pytest.raises(FileError, match=r"holds no vectors: it has small F8_E4M3 \(100, 6\)"):
        read_vectors(path)
    with pytest.raises(FileError, match="column 'small' is F8_E4M3"):
        read_vectors(path, column="small")


def test_a_missing_file_of_values_is_not_called_damaged(x, tmp_path):
    with pytest.raises(FileNotFoundError):
        read_vectors(save(tmp_path / "x.npy", x), values=tmp_path / "none.npy")


def test_parquet_columns(x, tmp_path):
    path = tmp_path / "x.parquet"
    columns = {
        "x.y": lists(x),
        "z": pa.array(x[:, :2].tolist()),
        "id": pa.array(range(5, 105), pa.uint8()),
        "label": pa.array([n % 3 for n in range(100)], pa.int32()),
        "name": pa.array(["a"] * 100),
    }
    pq.write_table(pa.table(columns), path, row_group_size=30)
    patterns, values, ids = gathered(read_vectors(path, column="x.y", values="label", ids="id"), 45)
    assert torch.equal(patterns, x)
    assert values.tolist() == [n % 3 for n in range(100)]
    assert ids.tolist() == [*range(5, 105)]
    vectors = read_vectors(path, column="z", values="x.y")
    assert torch.equal(gathered(vectors, 45)[0], x[:, :2].double())
    assert vectors.value_kind == (6,)
    with pytest.raises(FileError, match=r"several columns of vectors: x\.y, z; choose one"):
        read_vectors(path)
    with pytest.raises(FileError, match="column 'name' is string"):
        read_vectors(path, column="z", ids="name")
    with pytest.raises(FileError, match=r"has no column 'nought': it has x\.y float32"):
        read_vectors(path, column="nought")


@pytest.mark.parametrize("ending", FORMATS)
def test_values_and_ids_in_files_of_their_own(ending, x, tmp_path):
    path = save(tmp_path / f"x{ending}", x)
    np.save(tmp_path / "labels.npy", np.arange(100) % 3)
    np.save(tmp_path / "ids.npy", np.arange(100)[::-1].copy())
    beside = {"values": tmp_path / "labels.npy", "ids": tmp_path / "ids.npy"}
    vectors = read_vectors(path, **beside)
    _, values, ids = gathered(vectors, 7)
    assert vectors.value_kind == "labels"
    assert values.tolist() == [n % 3 for n in range(100)]
    assert ids.tolist() == [*range(99, -1, -1)]
    assert torch.equal(read_ids(tmp_path / "ids.npy"), ids)
    np.save(tmp_path / "ids.npy", np.arange(99))
    with pytest.raises(FileError, match=r"ids\.npy: ids has 99 rows for 100 patterns"):
        read_vectors(path, **beside)
    for wrong in (np.zeros(100), np.zeros((100, 1), int), np.zeros(100, np.uint64), np.array(3)):
        np.save(tmp_path / "ids.npy", wrong)
        with pytest.raises(FileError, match="whole numbers"):
            read_vectors(path, **beside)
        with pytest.raises(FileError, match="whole numbers"):
            read_ids(tmp_path / "ids.npy")
    with pytest.raises(FileError, match=r"a file of their own ends in \.npy"):
        read_vectors(path, values=tmp_path / "labels.parquet")


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros(5), r"float64 \(5,\); floating, \(n, d\), is expected, \(1, d\) for a single"),
        (np.zeros((2, 3, 4)), r"float64 \(2, 3, 4\)"),
        (np.zeros((2, 0)), r"float64 \(2, 0\)"),
        (np.zeros((2, 3), int), r"int64 \(2, 3\)"),
        (np.zeros((2, 3), complex), "complex128"),
        (np.array([["a"]]), "<U1"),
        (np.array([{}, 1], object), "Python objects"),
        (np.zeros(2, [("a", "f4")]), "'a'"),
    ],
)
def test_arrays_that_are_no_vectors(array, says, tmp_path):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(FileError, match=says):
        read_vectors(tmp_path / "x.npy")


@pytest.mark.parametrize("ending", FORMATS)
def test_damaged_files(ending, x, tmp_path):
    path = save(tmp_path / f"x{ending}", x)
    whole = path.read_bytes()
    for damaged in (b"", b"junk", b"PK\3\4" + whole, whole[:60], whole[:-50]):
        path.write_bytes(damaged)
        with pytest.raises(FileError, match=f"x{ending} is damaged"):
            gathered(read_vectors(path), 10)


def test_damaged_pages(x, tmp_path):
    path = save(tmp_path / "x.parquet", x)
    whole = bytearray(path.read_bytes())
    whole[4:200] = bytes(196)
    path.write_bytes(whole)
    with pytest.raises(FileError, match=r"x\.parquet is damaged"):
        gathered(read_vectors(path), 10)


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (pa.array([[1.0, 2.0], [1.0]]), "lists of 1 to 2 numbers, and the first has 2"),
        (pa.array([[1.0, 2.0], None]), "1 missing values"),
        (pa.array([[1.0, None], [1.0, 2.0]]), "1 missing values"),
        (pa.array([[1.0, None], [1.0, 2.0]], pa.list_(pa.float32(), 2)), "1 missing values"),
        (pa.array([None, [1.0, 2.0]], pa.list_(pa.float32(), 2)), "1 missing values"),
        (pa.array([[1, 2]]), "holds no vectors: it has x int64"),
        (pa.array(["a"]), "holds no vectors: it has x string"),
    ],
)
def test_parquet_that_is_no_vectors(column, says, tmp_path):
    pq.write_table(pa.table({"x": column}), tmp_path / "x.parquet")
    with pytest.raises(FileError, match=says):
        gathered(read_vectors(tmp_path / "x.parquet"), 10)


def test_two_columns_of_one_name(tmp_path):
    one = pa.array([[1.0, 2.0]])
    pq.write_table(pa.table([one, one], names=["x", "x"]), tmp_path / "x.parquet")
    with pytest.raises(FileError, match="columns of one name: x, x"):
        read_vectors(tmp_path / "x.parquet")


def test_what_is_no_file_or_no_format(tmp_path):
    with pytest.raises(FileError, match=r"ends in none of \.npy, \.safetensors, \.parquet"):
        read_vectors(tmp_path / "x.csv")
    with pytest.raises(FileNotFoundError):
        read_vectors(tmp_path / "x.parquet")
    (tmp_path / "x.npy").mkdir()
    with pytest.raises(IsADirectoryError):
        read_vectors(tmp_path / "x.npy")


def test_parquet_without_its_library(x, tmp_path, monkeypatch):
    path = save(tmp_path / "x.parquet", x)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match="memory"):
        read_vectors(path)
    with pytest.raises(MissingExtraError, match="memory"):
        write_results(path, 100, iter([]))


def results(x):
    """Rows of all kinds, in three batches."""
    whole = {"state": x, "ids": torch.arange(200).view(100, 2), "good": x[:, 0] > 0, "n": x[:, 1]}
    return whole, [
        {k: t[rows] for k, t in whole.items()}
        for rows in (slice(0, 40), slice(40, 41), slice(41, 100))
    ]


@pytest.mark.parametrize("ending", FORMATS)
def test_results_come_back(ending, x, tmp_path):
    whole, batches = results(x)
    path = tmp_path / f"Größe{ending}"
    files = write_results(path, 100, iter(batches))
    assert sorted(files) == sorted(tmp_path.iterdir())
    if ending == ".npy":
        assert [one.name for one in files] == [
            *("Größe.npy", "Größe.ids.npy", "Größe.good.npy", "Größe.n.npy")
        ]
        found = {k: np.load(one) for k, one in zip(whole, files, strict=True)}
    elif ending == ".safetensors":
        found = {k: tensor.numpy() for k, tensor in safetensors.torch.load_file(path).items()}
        (size,) = struct.unpack("<Q", path.read_bytes()[:8])
        assert set(json.loads(path.read_bytes()[8 : 8 + size])) == set(whole)
    else:
        found = {k: np.array(v) for k, v in pq.read_table(path).to_pydict().items()}
    assert all(np.array_equal(found[k], tensor.numpy()) for k, tensor in whole.items())
    assert torch.equal(
        gathered(read_states(path, column=None if ending == ".npy" else "state"), 9)[0], x
    )


@pytest.mark.parametrize("ending", FORMATS)
def test_results_are_written_whole_or_not_at_all(ending, x, tmp_path):
    path = tmp_path / f"x{ending}"
    path.write_text("before")

    def stopped():
        yield results(x)[1][0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_results(path, 100, stopped())
    assert path.read_text() == "before"
    assert [*tmp_path.iterdir()] == [path]


def test_what_is_wrong_in_one_batch_stores_nothing(x, tmp_path, monkeypatch):
    monkeypatch.setattr("hopfield.memory.files.adding.NUMBERS_AT_ONCE", 60)
    memory = Memory.create(tmp_path / "memory", 6)
    bad = x.clone()
    bad[57, 3] = torch.nan
    with pytest.raises(ArgumentError, match="NaN") as caught:
        add_files(memory, open_files([save(tmp_path / "x.npy", bad)]))
    assert caught.value.__notes__ == [f"in {tmp_path / 'x.npy'}, rows 50 to 59"]
    np.save(tmp_path / "ids.npy", np.arange(100) % 99)
    save(tmp_path / "x.npy", x)
    with pytest.raises(ArgumentError, match=r"1 ids \(0\) that occur more than once"):
        add_files(memory, open_files([tmp_path / "x.npy"], ids=tmp_path / "ids.npy"))
    assert len(memory) == 0


def test_values_of_several_kinds(x, tmp_path):
    safetensors.torch.save_file({"x": x, "labels": torch.arange(100)}, tmp_path / "a.safetensors")
    paths = [tmp_path / "a.safetensors", save(tmp_path / "b.npy", x)]
    with pytest.raises(ArgumentError, match="values are of several kinds"):
        open_files(paths)
    np.save(tmp_path / "ids.npy", np.arange(100))
    with pytest.raises(ArgumentError, match="add the files one by one"):
        open_files([paths[1], paths[1]], ids=tmp_path / "ids.npy")
