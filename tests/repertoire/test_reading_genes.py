"""Names of genes as programs write them."""

import pytest
import tidytcells

from hopfield.repertoire.reading import read
from hopfield.repertoire.reading.genes import anchor, gene, locus

KNOWN = {
    "TRBV5-1": "TRBV5-1",
    "TRBV5-1*01": "TRBV5-1",
    "TRBV5-1*99": "TRBV5-1",
    "TRBV5-1*00(812)": "TRBV5-1",
    "TRBV5-1*00(812.5),TRBV5-4*00(500)": "TRBV5-1",
    "TRBV5-1(812)": "TRBV5-1",
    "TRBV5-1, TRBV5-4": "TRBV5-1",
    "trbv5-1": "TRBV5-1",
    "hTRBV5-1": "TRBV5-1",
    "Homsap TRBV5-1*01 F, or Homsap TRBV5-4*01 F": "TRBV5-1",
    "TCRBV05-01": "TRBV5-1",
    "TCRBV05-01*01": "TRBV5-1",
    "TCRBV30-01": "TRBV30",
    "TCRBV02-01": "TRBV2",
    "TCRBV20-or09_02*01": "TRBV20/OR9-2",
    "TRBV20": "TRBV20-1",  # the only one of its family
    "TRAV14DV4": "TRAV14/DV4",
    "TCRGV09-01": "TRGV9",
    "IGHV03-23*01": "IGHV3-23",
    "IGKV1D-39": "IGKV1D-39",
    "IGLV2-14*01": "IGLV2-14",
    "IGHV(II)-44-2*01": "IGHV(II)-44-2",
    "TRBV6": "",
    "TCRBV06": "",
    "TCRBV12": "",
    "IGHV3": "",
    "TCRBV12-03/12-04": "",
    "TRBV12-3/TRBV12-4": "",
    "TRBV6-2/6-3*01": "",
    "TRBJ2-7": "",  # no V gene
    "TRBV99": "",
    "TRB": "",
    "unresolved": "",
    "": "",
}


def test_names_in_a_file(tmp_path):
    calls = sorted(KNOWN)
    path = tmp_path / "file.tsv"
    rows = [f'CASSF\t"{call}"\tTRB\t{2**i}' for i, call in enumerate(calls)]
    path.write_text("\n".join(["junction_aa\tv_call\tlocus\tduplicate_count", *rows]))
    table = read(path).repertoires["TRB"].frame()
    found = dict(table.select("v_call", "duplicate_count").iter_rows())
    wanted = {}
    for i, call in enumerate(calls):
        wanted[KNOWN[call]] = wanted.get(KNOWN[call], 0) + 2**i
    assert found == wanted


def test_families_and_segments():
    assert gene("J", "TRBJ2-7") == "TRBJ2-7"
    assert gene("J", "TCRBJ02-07") == "TRBJ2-7"
    assert gene("J", "TRBJ2") == ""
    assert gene("V", "TRBJ2-7") == gene("J", "TRBV2") == ""


def test_every_gene_is_its_own_name():
    for genes in (tidytcells.tr, tidytcells.ig):
        names = [name for name in genes.query(precision="gene") if name[3] in "VJ"]
        assert len(names) > 200
        assert [name for name in names if gene(name[3], name) != name] == []


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("TRB", "TRB"),
        ("tcrb", "TRB"),
        ("IGH", "IGH"),
        ("TCRBV05-01", "TRB"),
        ("IGKJ1", "IGK"),
        ("TRAD", None),
        ("TRA,TRD", None),
        ("IGD", None),
        ("TRH", None),
        ("Multi", None),
    ],
)
def test_loci(name, wanted):
    assert locus(name) == wanted


def test_anchors_by_j_gene():
    assert [anchor(name) for name in ("TRBJ1-1", "IGHJ4", "TRAJ33", "TRAJ35")] == list("FWWC")
    assert anchor("") is None
