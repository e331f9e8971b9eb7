"""Receptors of single cells, as scirpy keeps them."""

import anndata
import awkward
import numpy as np
import pandas as pd
import pytest

from hopfield.errors import ArgumentError
from hopfield.repertoire.reading import from_anndata, read

pytestmark = pytest.mark.filterwarnings("ignore:Support for Awkward Arrays is currently")

FIELDS = ("locus", "junction_aa", "v_call", "j_call", "productive", "duplicate_count")
ALPHA = ("TRA", "CAVF", "TRAV1-2*01", "TRAJ33*01", True, 3)
BETA = ("TRB", "CASSF", "TRBV2*01", "TRBJ1-1*01", True, 5)
DEAD = ("TRB", "CAS*F", "TRBV2*01", "TRBJ1-1*01", False, 1)
BARE = ("TRB", None, "TRBV2*01", None, None, None)
CELLS = [[ALPHA, BETA], [BETA], [], [DEAD, BETA, BARE], [ALPHA], [ALPHA]]
SAMPLES = ["s2", "s1", "s3", "s2", None, "s1"]


def cells(form, samples=SAMPLES):
    adata = anndata.AnnData(obs=pd.DataFrame({"sample": samples}, [f"c{i}" for i in range(6)]))
    chains = [[dict(zip(FIELDS, chain, strict=True)) for chain in cell] for cell in CELLS]
    if form == "records":
        adata.obsm["airr"] = awkward.Array(chains)
        return adata
    of_arm = {
        arm: [[chain for chain in cell if chain["locus"] == locus] for cell in chains]
        for arm, locus in (("VJ", "TRA"), ("VDJ", "TRB"))
    }
    for arm, own in of_arm.items():
        for place in (1, 2):
            for name in FIELDS:
                values = [cell[place - 1][name] if len(cell) >= place else None for cell in own]
                adata.obs[f"IR_{arm}_{place}_{name}"] = pd.Series(values, adata.obs_names)
    return adata


@pytest.mark.parametrize("form", ["records", "columns", "file"])
def test_a_reading_for_each_sample(form, tmp_path):
    if form == "file":
        cells("records").write_h5ad(tmp_path / "cells.h5ad")
        adata = anndata.read_h5ad(tmp_path / "cells.h5ad")
    else:
        adata = cells(form)
    readings = from_anndata(adata, "sample")
    assert list(readings) == ["s2", "s1", "s3"]
    first, second, third = readings.values()
    assert first.repertoires["TRB"].frame().rows() == [("CASSF", "TRBV2", "TRBJ1-1", 10)]
    assert first.repertoires["TRA"].frame().rows() == [("CAVF", "TRAV1-2", "TRAJ33", 3)]
    assert first.rows == (4 if form == "columns" else 5)  # a third chain has no columns
    assert first.changed == {"merged": 1}
    wanted = {"unproductive": 1} if form == "columns" else {"unproductive": 1, "no sequence": 1}
    assert first.dropped == wanted
    assert list(second.repertoires) == ["TRA", "TRB"]
    assert (third.rows, third.repertoires) == (0, {})
    assert all(reading.notes == ("1 of 6 cells have no sample",) for reading in readings.values())
    assert (str(first.path), first.format) == ("s2", "airr")
    assert len({reading.digest for reading in readings.values()}) == 3


def test_like_a_file_of_the_same_chains(tmp_path):
    path = tmp_path / "s2.tsv"
    chains = [
        chain
        for cell, sample in zip(CELLS, SAMPLES, strict=True)
        for chain in cell
        if sample == "s2"
    ]
    rows = ["\t".join("" if v is None else str(v) for v in chain) for chain in chains]
    path.write_text("\n".join(["\t".join(FIELDS), *rows]))
    of_file, of_cells = read(path), from_anndata(cells("records"), "sample")["s2"]
    assert of_file.dropped == of_cells.dropped
    assert of_file.changed == of_cells.changed
    assert of_file.rows == of_cells.rows
    for locus, repertoire in of_file.repertoires.items():
        assert repertoire.frame().equals(of_cells.repertoires[locus].frame())


def test_cells_that_are_missing_and_samples_that_are_numbers():
    adata = cells("records", [1, 1, 2, 2, 2, np.nan])
    adata.obsm["airr"] = awkward.Array([None, *adata.obsm["airr"].to_list()[1:]])
    readings = from_anndata(adata, "sample")
    assert list(readings) == ["1.0", "2.0"]
    assert readings["1.0"].rows == 1


def test_what_is_missing_is_said():
    with pytest.raises(
        ArgumentError, match="sample is 'donor', but the columns of obs are 'sample'"
    ):
        from_anndata(cells("records"), "donor")
    adata = cells("columns")
    adata.obs = adata.obs[["sample"]]
    with pytest.raises(ArgumentError, match="no chains"):
        from_anndata(adata, "sample")
    adata.obsm["airr"] = awkward.Array([[]] * 6)
    with pytest.raises(ArgumentError, match="no chains"):
        from_anndata(adata, "sample")
