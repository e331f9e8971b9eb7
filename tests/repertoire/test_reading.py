"""Files of receptor sequences: formats, dirt, and an account of every row."""

import gzip
from itertools import chain
from pathlib import Path

import polars as pl
import pyimmunarch
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hopfield.errors import ArgumentError, FileError
from hopfield.repertoire import ALPHABET
from hopfield.repertoire.reading import FORMATS, read, write_table

RECEPTOR = ("junction_aa", "v_call", "j_call")
DATA = Path(pyimmunarch.__path__[0], "_data")


def written(folder, rows, name="file.tsv", header="junction_aa\tv_call\tj_call\tduplicate_count"):
    """A file of lines of text."""
    path = folder / name
    path.write_bytes("\n".join([header, *rows, ""]).encode())
    return path


def receptors(reading, locus="TRB"):
    """What a reading has at a locus: receptor -> count."""
    rows = reading.repertoires[locus].frame().rows()
    assert len({row[:3] for row in rows}) == len(rows)
    return {row[:3]: row[3] for row in rows}


def accounted(reading):
    """Every row is a receptor, merged into one, or dropped."""
    kept = sum(map(len, reading.repertoires.values())) + reading.changed.get("merged", 0)
    return kept + sum(reading.dropped.values()) == reading.rows


@pytest.fixture(scope="module")
def real():
    """A human TRB repertoire with its out-of-frame rows; and its receptors, merged by hand."""
    table = pl.read_parquet(DATA / "immdata.parquet").filter(pl.col("Sample") == "A2-i129")
    rows = table.select(aa="CDR3.aa", nt="CDR3.nt", v="V.name", j="J.name", n="Clones")
    known = {}
    for aa, _, v, j, n in rows.iter_rows():
        if set(aa) <= set(ALPHABET):
            known[aa, v, j] = known.get((aa, v, j), 0) + n
    return rows, known


def adaptive(gene):
    """A gene as Adaptive names it: TCRBV05-01 for TRBV5-1."""
    family = pl.col(gene).str.extract(r"TRB[VJ](\d+)").str.zfill(2)
    member = pl.col(gene).str.extract(r"-(\d+)").fill_null("1").str.zfill(2)
    return pl.lit("TCRB" + gene.upper()) + family + "-" + member


OUT = pl.col("aa").str.contains("[~*]")
FORMS = {
    "airr": {
        "sequence_id": pl.col("nt"),
        "productive": pl.when(OUT).then(pl.lit("F")).otherwise(pl.lit("T")),
        "v_call": pl.col("v") + "*01",
        "j_call": pl.col("j") + "*01",
        "junction_aa": pl.col("aa"),
        "cdr3_aa": pl.lit(""),
        "umi_count": pl.lit(None),
        "duplicate_count": pl.col("n"),
        "locus": pl.lit("TRB"),
    },
    "airr-ml": {
        "junction_aa": pl.col("aa"),
        "v_call": pl.col("v"),
        "j_call": pl.col("j"),
        "d_call": pl.lit("unknown"),
        "templates": pl.col("n"),
    },
    "adaptive-v1": {
        "nucleotide": pl.col("nt"),
        "aminoAcid": pl.col("aa"),
        "count (templates/reads)": pl.col("n"),
        "vMaxResolved": adaptive("v") + "*01",
        "vGeneName": adaptive("v"),
        "jMaxResolved": adaptive("j"),
        "sequenceStatus": pl.when(OUT).then(pl.lit("Out")).otherwise(pl.lit("In")),
    },
    "adaptive-v2": {
        "rearrangement": pl.col("nt"),
        "amino_acid": pl.when(OUT).then(pl.lit("na")).otherwise("aa"),
        "frame_type": pl.when(OUT).then(pl.lit("Stop")).otherwise(pl.lit("In")),
        "templates": pl.col("n"),
        "v_resolved": adaptive("v"),
        "j_resolved": adaptive("j") + "*01",
    },
    "10x": {
        "barcode": pl.lit("AAAC-1"),
        "is_cell": pl.lit("True"),
        "high_confidence": pl.lit("true"),
        "chain": pl.lit("TRB"),
        "v_gene": pl.col("v"),
        "d_gene": pl.lit("None"),
        "j_gene": pl.col("j"),
        "productive": pl.when(OUT).then(pl.lit("False")).otherwise(pl.lit("True")),
        "cdr3": pl.col("aa"),
        "reads": pl.col("n") * 7,
        "umis": pl.col("n"),
    },
    "mixcr": {
        "cloneId": pl.col("n"),
        "cloneCount": pl.col("n").cast(pl.Float64),
        "allVHitsWithScore": pl.format("{}*00(812.5),TRBV1*00(17)", "v"),
        "allJHitsWithScore": pl.format("{}*00({})", "j", "n"),
        "aaSeqCDR3": pl.col("aa").str.replace_all("~", "_"),
    },
    "vdjtools": {
        "#count": pl.col("n"),
        "freq": pl.col("n") / 1e6,
        "CDR3nt": pl.col("nt"),
        "CDR3aa": pl.col("aa"),
        "V": pl.col("v"),
        "D": pl.lit("."),
        "J": pl.col("j"),
    },
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("ending", [".tsv", ".csv.gz"])
def test_all_formats_hold_the_same_repertoire(real, tmp_path, name, ending):
    rows, known = real
    table = rows.select(**FORMS[name])
    path = tmp_path / f"file{ending}"
    text = table.write_csv(separator="," if "csv" in ending else "\t").encode()
    path.write_bytes(gzip.compress(text) if "gz" in ending else text)
    for form in (None, name):
        reading = read(path, format=form)
        assert reading.format == name
        assert receptors(reading) == known
        assert reading.rows == len(rows)
        assert sum(reading.dropped.values()) == rows.filter(OUT).height
        assert accounted(reading)
        assert reading.notes == ()


def test_newer_mixcr_counts_molecules(tmp_path):
    header = "readCount\tuniqueMoleculeCount\taaSeqCDR3\tallVHitsWithScore\tallJHitsWithScore"
    path = written(tmp_path, ["900\t3\tCASSF\tTRBV2*00(1)\tTRBJ1-1*00(2)"], header=header)
    reading = read(path)
    assert reading.format == "mixcr"
    assert receptors(reading) == {("CASSF", "TRBV2", "TRBJ1-1"): 3}


def test_of_several_counts_the_best_that_has_values(tmp_path):
    header = "junction_aa\tv_call\tconsensus_count\tumi_count\tduplicate_count"
    assert receptors(read(written(tmp_path, ["CF\tTRBV2\t9\t5\t2"], header=header))) == {
        ("CF", "TRBV2", ""): 2
    }
    assert receptors(read(written(tmp_path, ["CF\tTRBV2\t9\t5\t"], header=header))) == {
        ("CF", "TRBV2", ""): 5
    }


def test_loci_are_told_apart(tmp_path):
    rows = [
        "CASSF\tTRBV2\tTRBJ1-1\t\t1",
        "CAVF\tTRAV29/DV5*01\tTRAJ33\t\t1",
        "CALF\tTRAV29DV5\tTRDJ1\t\t1",
        "CALGF\t\tTRGJ1\t\t1",
        "CARW\tIGHV3-23\tIGHJ4\tTRA,TRD\t1",
        "CQQF\t\t\tIGK\t1",
        "CSSF\tTRBV2\t\tTCRL\t1",
        "CQSF\tunresolved\t\t\t1",
        "CQAF\t\t\tMulti\t1",
        "CQWF\tTCRBV12-03/12-04\t\t\t1",
        "CATF\tTCRDV02\tTCRDJ01-01\t\t1",
        "CQEF\tIGLV2-14\tIGLJ1\tigl\t1",
    ]
    path = written(tmp_path, rows, header="junction_aa\tv_call\tj_call\tlocus\tduplicate_count")
    reading = read(path)
    found = {locus: set(receptors(reading, locus)) for locus in reading.repertoires}
    assert found == {
        "TRA": {("CAVF", "TRAV29/DV5", "TRAJ33")},
        "TRB": {("CASSF", "TRBV2", "TRBJ1-1"), ("CSSF", "TRBV2", ""), ("CQWF", "", "")},
        "TRG": {("CALGF", "", "TRGJ1")},
        "TRD": {("CALF", "TRAV29/DV5", "TRDJ1"), ("CATF", "TRDV2", "TRDJ1")},
        "IGH": {("CARW", "IGHV3-23", "IGHJ4")},
        "IGK": {("CQQF", "", "")},
        "IGL": {("CQEF", "IGLV2-14", "IGLJ1")},
    }
    assert list(found) == ["TRA", "TRB", "TRG", "TRD", "IGH", "IGK", "IGL"]
    assert reading.dropped == {"no locus": 2}
    assert all(len(reading.repertoires[locus].locus) == 3 for locus in found)
    assert accounted(reading)


def test_long_heavy_chains_of_real_cells_work(tmp_path):
    table = pl.read_parquet(DATA / "bcrdata.parquet").select(
        cdr3aa="CDR3.aa", v="V.name", j="J.name", count="Clones"
    )
    path = tmp_path / "igh.tsv"
    table.write_csv(path, separator="\t")
    reading = read(path)
    assert list(reading.repertoires) == ["IGH"]
    assert reading.repertoires["IGH"].lengths.max() > 25
    assert accounted(reading)
    long = "CAR" + "Y" * 56 + "W"
    path = written(tmp_path, [f"{long}\tIGHV3-23\tIGHJ6\t1", f"{long}W\tIGHV3-23\tIGHJ6\t1"])
    assert receptors(read(path), "IGH") == {(long, "IGHV3-23", "IGHJ6"): 1}
    assert read(path).dropped == {"longer than 60 residues": 1}
    assert len(read(path, longest=61).repertoires["IGH"]) == 2


def test_every_kind_of_bad_row_is_counted(tmp_path):
    header = "junction_aa\tv_call\tj_call\tduplicate_count\tproductive\tis_cell"
    good = ["CASSF\tTRBV2\tTRBJ1-1\t1\tT\tT"] * 3
    bad = {
        "wrong number of fields": ["CASSF\tTRBV2", "CASSF\tTRBV2\tTRBJ1-1\t1\tT\tT\tmore"],
        "unproductive": [
            f"CASSF\tTRBV2\tTRBJ1-1\t1\t{no}\tT" for no in ("F", "false", "0", "None")
        ],
        "not a cell": ["CASSF\tTRBV2\tTRBJ1-1\t1\tT\tFalse"],
        "no sequence": [f"{no}\tTRBV2\tTRBJ1-1\t1\tT\tT" for no in ("", "  ", "None", "na")],
        "stop codon (*)": ["CAS*F\tTRBV2\tTRBJ1-1\t1\tT\tT"],
        "frame shift (_ or ~)": [f"CAS{no}F\tTRBV2\tTRBJ1-1\t1\tT\tT" for no in "_~"],
        "unknown residue (X)": [f"CAS{no}F\tTRBV2\tTRBJ1-1\t1\tT\tT" for no in "Xx"],
        "other than the 20 residues": [
            f"CAS{no}F\tTRBV2\tTRBJ1-1\t1\tT\tT" for no in ("B", "U", "-", "A A", "ß", "ſ", "ﬁ")
        ],
        "longer than 60 residues": [f"C{'A' * 60}F\tTRBV2\tTRBJ1-1\t1\tT\tT"],
        "count of 0 or less": [f"CASSF\tTRBV2\tTRBJ1-1\t{no}\tT\tT" for no in ("0", "-3", "0.0")],
        "no locus": ["CASSF\t\t\t1\tT\tT"],
    }
    path = written(tmp_path, [*good, *chain(*bad.values())], header=header)
    reading = read(path)
    assert reading.dropped == {reason: len(rows) for reason, rows in bad.items()}
    assert list(reading.dropped) == list(bad)
    assert receptors(reading) == {("CASSF", "TRBV2", "TRBJ1-1"): 3}
    assert reading.changed == {"merged": 2}
    assert accounted(reading)


@pytest.mark.parametrize("yes", ["T", "TRUE", " true", "1", "yes", "productive", "In", "", "NA"])
def test_spellings_of_productive(tmp_path, yes):
    header = "junction_aa\tv_call\tproductive"
    assert read(written(tmp_path, [f"CASSF\tTRBV2\t{yes}"], header=header)).dropped == {}


def test_every_change_is_counted(tmp_path):
    rows = [
        "CASSF\tTRBV2\tTRBJ1-1\t2",
        "cassF\tTRBV2\tTRBJ1-1\t2",
        " CASSF \tTRBV2 \tTRBJ1-1\t2",
        "CASSF\tTRBV2\tTRBJ1-1\t",
        "CASSF\tTRBV2\tTRBJ1-1\tmany",
        "CASSF\tTRBV2\tTRBJ1-1\tNAN",
        "CASSF\tTRBV2\tTRBJ1-1\tinf",
        f"CASSF\tTRBV2\tTRBJ1-1\t{2**40}",
        "CASSF\tTRBV2\tTRBJ1-1\t2.4",
        "CASSF\tTRBV2\tTRBJ1-1\t0.2",
        "CAS*F\tTRBV2\tTRBJ1-1\t0.2",
        "CASSF\tTRBV6\tTRBJ1-1\t3.0",
        "CASSF\tTRBV2\t\t1e3",
    ]
    reading = read(written(tmp_path, rows))
    assert reading.changed == {
        "white space": 1,
        "lower case": 1,
        "count missing, taken as 1": 3,
        "count of 2^40 or more, taken as 1": 2,
        "count rounded": 2,
        "V gene missing or not known": 1,
        "J gene missing or not known": 1,
        "merged": 9,
    }
    assert receptors(reading) == {
        ("CASSF", "TRBV2", "TRBJ1-1"): 2 + 2 + 2 + 1 + 1 + 1 + 1 + 1 + 2 + 1,
        ("CASSF", "", "TRBJ1-1"): 3,
        ("CASSF", "TRBV2", ""): 1000,
    }
    assert reading.notes == ("V genes not known, or several in one: 'TRBV6' (1 rows)",)
    assert accounted(reading)


def test_cdr3_get_their_anchors(tmp_path):
    rows = ["ASSLGQF\tTRBV2\tTRBJ1-1\t1", "AR\tIGHV3-23\tIGHJ4\t1", "ARDY\tIGHV3-23\t\t1"]
    rows += ["AVS\tTRAV1-2\tTRAJ33\t1", "A" * 59 + "\tTRBV2\tTRBJ1-1\t1"]
    for name in ("cdr3_aa", "junction_aa"):  # told by what they are, whatever they are called
        header = f"{name}\tv_call\tj_call\tduplicate_count"
        reading = read(written(tmp_path, rows, header=header))
        assert set(receptors(reading)) == {("CASSLGQFF", "TRBV2", "TRBJ1-1")}
        assert set(receptors(reading, "IGH")) == {
            ("CARW", "IGHV3-23", "IGHJ4"),
            ("CARDYW", "IGHV3-23", ""),
        }
        assert set(receptors(reading, "TRA")) == {("CAVSW", "TRAV1-2", "TRAJ33")}
        assert reading.changed["anchors added"] == 4
        assert reading.dropped == {"longer than 60 residues": 1}
        assert [note for note in reading.notes if name in note and "anchors" in note]


@pytest.mark.parametrize("name", ["cdr3_aa", "junction_aa"])
def test_forms_in_one_column_are_never_mixed(tmp_path, name):
    rows = ["CASSLGQFF\tTRBV2\tTRBJ1-1\t1"] * 5 + ["ASSLGQF\tTRBV2\tTRBJ1-1\t2"] * 5
    reading = read(written(tmp_path, rows, header=f"{name}\tv_call\tj_call\tduplicate_count"))
    assert receptors(reading) == {("CASSLGQFF", "TRBV2", "TRBJ1-1"): 15}
    assert reading.changed["anchors added"] == 5
    assert [note for note in reading.notes if "5 of 10" in note]


def test_junctions_are_taken_as_they_are(tmp_path):
    rows = ["CASSLGQF\tTRBV2\tTRBJ1-1\t1"] * 9 + ["ASSLG\tTRBV2\tTRBJ1-1\t1"]
    header = "cdr3_aa\tv_call\tj_call\tduplicate_count"
    assert read(written(tmp_path, rows)).notes == ()
    assert len(read(written(tmp_path, rows)).repertoires["TRB"]) == 2
    (note,) = read(written(tmp_path, rows[:8] + rows[9:] * 2)).notes
    assert "8 of 10" in note
    named_cdr3 = read(written(tmp_path, rows[:9], header=header))
    assert set(receptors(named_cdr3)) == {("CASSLGQF", "TRBV2", "TRBJ1-1")}
    assert "anchors added" not in named_cdr3.changed
    assert len(named_cdr3.notes) == 1


def test_several_repertoires_in_one_file_are_not_pooled_in_silence(tmp_path):
    header = "junction_aa\tv_call\trepertoire_id"
    rows = [
        f"CAS{x}F\tTRBV2\t{name}" for x, name in zip("ACDE", ["r1", "r2", "r1", ""], strict=True)
    ]
    (note,) = read(written(tmp_path, rows, header=header)).notes
    assert "2 repertoires, told apart by repertoire_id" in note
    assert read(written(tmp_path, rows[::2], header=header)).notes == ()


def test_an_empty_column_of_junctions_gives_way_to_cdr3(tmp_path):
    header = "junction_aa\tcdr3_aa\tv_call\tj_call"
    reading = read(written(tmp_path, ["\tASS\tTRBV2\tTRBJ1-1"], header=header))
    assert set(receptors(reading)) == {("CASSF", "TRBV2", "TRBJ1-1")}
    reading = read(written(tmp_path, ["CAF\tASS\tTRBV2\tTRBJ1-1", "\tASS\tTRBV2\t"], header=header))
    assert set(receptors(reading)) == {("CAF", "TRBV2", "TRBJ1-1")}
    assert reading.dropped == {"no sequence": 1}


@pytest.mark.parametrize("separator", ["\t", ",", ";"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_dialects(tmp_path, separator, newline, mark, quote, end):
    rows = [
        ["V_call", "note", "JUNCTION_aa", " j_call "],
        ["TRBV2", f"a{separator}b" if quote else "a b", "CASSF", "TRBJ1-1"],
        ["TRBV2", "", "CASTF", "TRBJ1-1"],
    ]
    lines = [separator.join(quote + cell + quote for cell in row) for row in rows]
    text = mark + newline.join([lines[0], "", *lines[1:]]) + end.replace("\n", newline)
    path = tmp_path / "file.txt"
    path.write_bytes(text.encode())
    reading = read(path)
    assert set(receptors(reading)) == {
        ("CASSF", "TRBV2", "TRBJ1-1"),
        ("CASTF", "TRBV2", "TRBJ1-1"),
    }
    assert reading.rows == 2
    assert reading.dropped == {}


def test_stray_quotes_cost_no_row(tmp_path):
    header = "junction_aa\tv_call\tnote"
    rows = ['CASSF\tTRBV2\t5" primer', 'CASTF\tTRBV2\ta "b" c', '"CASVF"\t"TRBV2"\t"a ""b"" c"']
    reading = read(written(tmp_path, [*rows, 'CASSF\t"TRBV2\t'], header=header))
    assert set(receptors(reading)) == {(f"CAS{x}F", "TRBV2", "") for x in "STV"}
    assert reading.dropped == {"wrong number of fields": 1}


def test_of_columns_with_the_same_name_the_first_is_read(tmp_path):
    path = written(tmp_path, ["TRBV2\tCASSF\tCAF"], header="v_call\tjunction_aa\tjunction_aa")
    assert set(receptors(read(path))) == {("CASSF", "TRBV2", "")}


def test_bytes_that_are_no_utf8(tmp_path):
    path = tmp_path / "latin.tsv"
    path.write_bytes(b"v_call\tjunction_aa\tnote\nTRBV2\tCASSF\tcaf\xe9\nTRBV2\tCA\xe9F\t\n")
    reading = read(path)
    assert set(receptors(reading)) == {("CASSF", "TRBV2", "")}
    assert reading.dropped == {"other than the 20 residues": 1}


HEADER = b"junction_aa\tv_call\n"
BROKEN = {
    "is empty": b"",
    "it is empty": b"\xef\xbb\xbf\r\n \n",
    "is a web page": b"<!DOCTYPE html>\n<html></html>",
    "is JSON": b'{"Repertoire": []}',
    "is a zip archive": b"PK\x03\x04",
    "is binary": bytes(range(256)) * 9,
    "is text in UTF-16": "junction_aa\tv_call\n".encode("utf-16"),
    "old Macintoshes": b"junction_aa\tv_call\rCASSF\tTRBV2\r",
    "of no known format: it has 'a', 'b'": b"a\tb\n1\t2\n",
    "has 'junction_aa'. airr has": b'"junction_aa\n1\n',
    "none of its 1 rows": HEADER + b"CASSF\n",
    "gzip stream is broken": gzip.compress(HEADER * 9)[:-9],
    "is broken": gzip.compress(HEADER * 9) + b"more",
    "a line of more than": HEADER + b"C" * (2**22 + 1),
}


@pytest.mark.parametrize("says", BROKEN)
def test_a_wrong_file_is_one_clear_error(tmp_path, says):
    path = tmp_path / "file.tsv"
    path.write_bytes(BROKEN[says])
    with pytest.raises(FileError) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert says in str(caught.value)


def test_a_header_alone_is_no_receptor(tmp_path):
    reading = read(written(tmp_path, []))
    assert (reading.rows, reading.repertoires, reading.dropped) == (0, {}, {})
    reading = read(written(tmp_path, [], header="cdr3_aa\tv_call"))
    assert (reading.rows, reading.repertoires, reading.notes) == (0, {}, ())


def test_gzip_expands_so_far_and_no_further(tmp_path):
    path = tmp_path / "bomb.tsv.gz"
    path.write_bytes(gzip.compress(HEADER + b"CASSF\tTRBV2\n" * 10**6))
    with pytest.raises(FileError, match="expand"):
        read(path)
    path.write_bytes(gzip.compress(HEADER + b"CASSF\tTRBV2\n" * 10**5))
    assert read(path).rows == 10**5
    with pytest.raises(FileError, match="expand"):
        read(path, expanded=10**6)


def test_a_forced_format_and_arguments_that_are_wrong(tmp_path):
    path = written(tmp_path, ["CASSF\tTRBV2\tTRBJ1-1\t1"])
    with pytest.raises(FileError, match="not of format '10x'"):
        read(path, format="10x")
    with pytest.raises(ArgumentError, match="format is 'xls'"):
        read(path, format="xls")
    for wrong in (0, 256, 1.5):
        with pytest.raises(ArgumentError, match="longest"):
            read(path, longest=wrong)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nothing.tsv")
    for none in (tmp_path, "/dev/zero"):
        with pytest.raises(FileError, match=f"{none}: it is no file"):
            read(none)
    header = "junction_aa\tv_call\tj_call\ttemplates\tduplicate_count"
    both = written(tmp_path, ["CASSF\tTRBV2\tTRBJ1-1\t5\t7"], header=header)
    assert read(both).format == "airr"
    assert receptors(read(both, format="airr")) == {("CASSF", "TRBV2", "TRBJ1-1"): 7}
    assert receptors(read(both, format="airr-ml")) == {("CASSF", "TRBV2", "TRBJ1-1"): 5}


ROWS = st.lists(
    st.tuples(
        st.builds("C{}F".format, st.text(ALPHABET, min_size=1, max_size=20)),
        st.sampled_from(["", "TRBV2", "TRBV5-1", "TRBV20/OR9-2", "TRBV30"]),
        st.sampled_from(["TRBJ1-1", "TRBJ2-7"]),
        st.integers(1, 10**9),
    ),
    min_size=1,
    max_size=30,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=ROWS, data=st.data())
def test_what_is_written_is_read_in_any_order(tmp_path, rows, data):
    shuffled = data.draw(st.permutations(rows + rows))
    schema = [*RECEPTOR, "duplicate_count"]
    for name, order, times in (("a.tsv", rows, 2), ("b.tsv.gz", shuffled, 1)):
        frame = pl.DataFrame(order, schema, orient="row")
        write_table(frame.with_columns(pl.col("duplicate_count") * times), tmp_path / name)
    once, twice = read(tmp_path / "a.tsv"), read(tmp_path / "b.tsv.gz")
    known = {}
    for *receptor, count in rows:
        known[tuple(receptor)] = known.get(tuple(receptor), 0) + 2 * count
    assert receptors(once) == known
    first, second = once.repertoires["TRB"], twice.repertoires["TRB"]
    for name, tensor in first.arrays().items():
        assert tensor.equal(second.arrays()[name])
    assert (first.v_genes, first.j_genes) == (second.v_genes, second.j_genes)
    again = first.frame()
    write_table(again, tmp_path / "c.tsv")
    assert read(tmp_path / "c.tsv").repertoires["TRB"].frame().equals(again)
