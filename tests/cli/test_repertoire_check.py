"""`hopfield repertoire check`."""

import subprocess
import sys
import warnings

import polars as pl
import pytest

from hopfield.cli import main
from hopfield.repertoire.dataset import RepertoireDataset
from hopfield.repertoire.reading import FORMATS

HEADER = "junction_aa\tv_call\tj_call\tduplicate_count\n"


@pytest.fixture
def metadata(tmp_path):
    for name, middle in (("a", "A"), ("b", "C")):
        row = f"CASS{middle}F\tTRBV5-1\tTRBJ2-7\t1\n"
        (tmp_path / f"{name}.tsv").write_text(HEADER + row)
    path = tmp_path / "cohort.csv"
    path.write_text("ID;table;dx\n=1;a.tsv;MS\n2;b.tsv;HC\n")
    return path


def test_what_is_found_is_printed_and_written(metadata, tmp_path, capsys):
    table = tmp_path / "out.tsv"
    arguments = ["--file-column", "table", "--label", "dx", "--strict", "-o", str(table)]
    assert main(["repertoire", "check", str(metadata), *arguments]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{metadata}: 2 of 2 repertoires can be used\n")
    assert "dx: two classes, 'HC' 1, 'MS' 1" in printed
    written = pl.read_csv(table, separator="\t")
    assert written["repertoire_id"].to_list() == ["'=1", "2"]
    assert written["receptors"].to_list() == [1, 1]


def test_problems_fail_if_strict(metadata, capsys):
    metadata.write_text("ID,file\n1,a.tsv\n2,none.tsv\n")
    assert main(["repertoire", "check", str(metadata)]) == 0
    assert main(["repertoire", "check", str(metadata), "--strict"]) == 1
    printed = capsys.readouterr()
    assert printed.out.count("there is no such file") == 2
    assert "hopfield: problems: 1" in printed.err
    assert main(["repertoire", "check", str(metadata), "--label", "dx"]) == 1
    assert "has no column 'dx' to be a label, but none" in capsys.readouterr().err
    assert main(["repertoire", "check", "nowhere.tsv"]) == 1
    assert capsys.readouterr().err == "hopfield: nowhere.tsv: there is no such file or folder\n"


def test_a_file_in_place_of_a_folder_is_told(metadata, capsys):
    for command in (["check", str(metadata), "--file-column", "table", "--cache"], ["simulate"]):
        assert main(["repertoire", *command, str(metadata)]) == 1
        assert f"hopfield: {metadata} is a file; a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "says"),
    [(("--clones", "0"), "--clones is 0; "), (("--motif", "SFEN~x"), "'x' is no number of bits; ")],
)
def test_signals_that_make_no_sense_are_told(option, says, tmp_path, capsys):
    assert main(["repertoire", "simulate", str(tmp_path / "out"), *option]) == 1
    assert f"hopfield: {says}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_errors_of_the_system_are_told_without_their_number(tmp_path, capsys):
    path = "x" * 300
    assert main(["repertoire", "check", path]) == 1
    assert capsys.readouterr().err == f"hopfield: {path}: File name too long\n"


def test_files_outside_need_the_flag(metadata, capsys):
    (metadata.parent / "inner").mkdir()
    inner = metadata.parent / "inner" / "metadata.csv"
    inner.write_text("ID,file\n1,../a.tsv\n")
    assert main(["repertoire", "check", str(inner), "--strict"]) == 1
    assert "outside=True (--outside) allows it" in capsys.readouterr().out
    assert main(["repertoire", "check", str(inner), "--outside", "--strict"]) == 0


@pytest.mark.parametrize("option", [("--locus", "TCRB"), ("--format", "airrr"), ("--longest", "0")])
def test_bad_options_are_named(metadata, option, capsys):
    arguments = ["--file-column", "table", *option]
    assert main(["repertoire", "check", str(metadata), *arguments]) == 1
    assert f"{option[0][2:]} is " in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["nonsense"], 2), (["--help"], 0)])
def test_usage(arguments, code, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["repertoire", *arguments])
    assert caught.value.code == code
    printed = capsys.readouterr()
    assert "usage: hopfield repertoire" in printed.out + printed.err


def test_warnings_are_read_without_the_code_that_gave_them(metadata, capsys):
    metadata.write_text("ID,file\n1,a.tsv\n2,none.tsv\n")

    def run(options):
        warnings.simplefilter("always")
        RepertoireDataset.from_metadata(metadata)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hopfield.cli.demo.run", run)
        assert main(["demo"]) == 0
    error = capsys.readouterr().err
    assert error.startswith("hopfield: 1 of 2 repertoires are left out: '2' (")
    assert error.count("\n") == 1


def test_the_command_line_alone_loads_no_table_library():
    code = "import sys, hopfield.cli; print('polars' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_nothing_in_a_message_is_obeyed_by_the_terminal(tmp_path, capsys):
    path = tmp_path / "metadata\x1b[31m\n.csv"
    path.touch()
    assert main(["repertoire", "check", str(path)]) == 1
    error = capsys.readouterr().err
    assert rf"{tmp_path}/metadata\x1b[31m\n.csv is empty" in error
    assert error.count("\n") == 1


def test_all_formats_are_in_the_help(capsys):
    with pytest.raises(SystemExit):
        main(["repertoire", "check", "--help"])
    help_ = " ".join(capsys.readouterr().out.split())
    assert " ".join(["--format FORMAT", *(f"{name}," for name in [*FORMATS][:-2])]) in help_
    assert "mixcr or vdjtools (that of each file)" in help_
