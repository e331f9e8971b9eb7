"""What was read is kept, and read again as it was."""

import pytest
from safetensors.torch import save_file

from hopfield.repertoire.reading import cache, read
from hopfield.repertoire.reading.lines import Delimited


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file.tsv"
    rows = ["CASSF\tTRBV2\tTRBJ1-1\t2", "CAVF\tTRAV1-2\tTRAJ33\t1", "CAS*F\tTRBV2\t\t1"]
    rows += ["CASSLGF\tTRBV6\tTRBJ1-1\t2"]
    path.write_text("\n".join(["junction_aa\tv_call\tj_call\tduplicate_count", *rows]))
    return path


@pytest.fixture
def only_the_cache(monkeypatch):
    """Call it, and files are no longer read."""

    def fail(*_):
        raise AssertionError("the file was read")

    return lambda: monkeypatch.setattr(Delimited, "open", fail)


def same(one, other):
    assert list(one.repertoires) == list(other.repertoires)
    for locus, repertoire in one.repertoires.items():
        own = other.repertoires[locus]
        assert repertoire.frame().equals(own.frame())
        assert (repertoire.v_genes, repertoire.j_genes) == (own.v_genes, own.j_genes)
        for name, tensor in repertoire.arrays().items():
            assert tensor.dtype == own.arrays()[name].dtype
    account = ("path", "format", "digest", "rows", "dropped", "changed", "notes")
    for name in account:
        assert getattr(one, name) == getattr(other, name)
    return True


def test_the_second_time_is_like_the_first(file, tmp_path, only_the_cache):
    plain = read(file)
    assert plain.notes
    first = read(file, cache=tmp_path / "deep" / "cache")
    only_the_cache()
    assert same(plain, first)
    assert same(plain, read(file, cache=tmp_path / "deep" / "cache"))
    moved = file.rename(tmp_path / "moved.tsv")
    again = read(moved, cache=tmp_path / "deep" / "cache")
    assert again.path == moved
    assert again.digest == plain.digest


def test_other_content_and_other_options_are_other_entries(file, tmp_path):
    folder = tmp_path / "cache"
    assert len(read(file, cache=folder).repertoires["TRB"]) == 2
    assert len(read(file, cache=folder, longest=5).repertoires["TRB"]) == 1
    assert read(file, cache=folder, format="airr").format == "airr"
    file.write_text(file.read_text() + "\nCATF\tTRBV2\tTRBJ1-1\t2")
    assert len(read(file, cache=folder).repertoires["TRB"]) == 3
    assert len(list(folder.iterdir())) == 4
    assert all(path.suffix == ".safetensors" for path in folder.iterdir())


def test_a_file_without_receptors_is_kept_too(tmp_path, only_the_cache):
    path = tmp_path / "file.tsv"
    path.write_text("junction_aa\tv_call\n")
    first = read(path, cache=tmp_path)
    only_the_cache()
    assert same(first, read(path, cache=tmp_path))


def test_a_damaged_entry_is_made_anew(file, tmp_path):
    plain = read(file, cache=tmp_path / "cache")
    (entry,) = (tmp_path / "cache").iterdir()
    sound = entry.read_bytes()
    middle = len(sound) // 2
    damaged = [b"", sound[:-1], sound[:20], b"\xff" * 9, sound[:-9] + b"\0" * 9]
    damaged += [sound[:middle] + bytes([sound[middle] ^ 1]) + sound[middle + 1 :]]
    for content in damaged:
        entry.write_bytes(content)
        assert cache.load(entry, file) is None
        assert same(plain, read(file, cache=tmp_path / "cache"))
        assert same(plain, cache.load(entry, file))
    save_file({}, entry)  # by another program
    assert same(plain, read(file, cache=tmp_path / "cache"))


def test_tensors_may_be_changed_and_the_entry_stays(file, tmp_path):
    read(file, cache=tmp_path / "cache")
    first = read(file, cache=tmp_path / "cache").repertoires["TRB"]
    for tensor in first.arrays().values():
        tensor += 1
    assert first.counts.tolist() == [3, 3]
    assert read(file, cache=tmp_path / "cache").repertoires["TRB"].counts.tolist() == [2, 2]


def test_an_entry_is_written_whole_or_not_at_all(file, tmp_path, monkeypatch):
    def cut_off(_, part, __):
        part.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(cache, "save_file", cut_off)
    with pytest.raises(OSError, match="disk full"):
        read(file, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
