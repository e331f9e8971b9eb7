"""`from_anndata`: receptors of single cells, as scirpy keeps them, by sample."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from hopfield.errors import ArgumentError
from hopfield.repertoire.reading.clean import MISSING
from hopfield.repertoire.reading.formats import AIRR
from hopfield.repertoire.reading.lines import Lines
from hopfield.repertoire.reading.reading import Reading

SLOTS = ("IR_VJ_1_", "IR_VJ_2_", "IR_VDJ_1_", "IR_VDJ_2_")


def from_anndata(adata: Any, sample: str, *, longest: int = 60) -> dict[str, Reading]:
    """Read the receptor chains of cells, by sample, as `read` reads an AIRR file.

    Args:
        adata: an `AnnData` with the chains of each cell in `obsm["airr"]`, as of scirpy 0.13, or in
            columns of `obs` like `IR_VDJ_1_junction_aa`, as before.
        sample: the column of `obs` that names the sample of a cell. Cells that have none are left
            out, and counted in the notes.
        longest: the most residues of a junction.

    Returns:
        A reading by sample, in the order in which these appear. Its path is the name of the sample,
        its rows are chains.

    Raises:
        ArgumentError: there is no such column, or there are no chains.
    """
    obs = adata.obs
    if sample not in obs.columns:
        known = ", ".join(map(repr, obs.columns[:30]))
        raise ArgumentError(f"sample is {sample!r}, but the columns of obs are {known}")
    chains = _of_records(adata.obsm["airr"]) if "airr" in adata.obsm else _of_columns(obs)
    if not AIRR.readable(chains.columns):
        raise ArgumentError(
            f"the cells have no chains: neither obsm['airr'] nor columns {SLOTS[2]}… of obs have "
            f"junction_aa and v_call; scirpy.io reads them"
        )
    samples = _text(obs[sample]).replace(MISSING, None)
    lacking = samples.null_count()
    notes = (f"{lacking} of {len(samples)} cells have no {sample}",) if lacking else ()
    chains = chains.with_columns(sample=samples.gather(chains["cell"]))
    readings = {}
    for name in samples.drop_nulls().unique(maintain_order=True):
        table = chains.filter(pl.col("sample") == name).drop("sample", "cell")
        digest = hashlib.sha256(table.write_csv().encode()).hexdigest()
        lines = Lines(table, rows=len(table), ragged=0)
        reading = Reading.of_lines(lines, "airr", path=Path(name), digest=digest, longest=longest)
        readings[name] = replace(reading, notes=notes + reading.notes)
    return readings


def _of_records(cells: Any) -> pl.DataFrame:
    """The chains of an awkward array: cells, lists of chains, fields of AIRR; `cell` counts."""
    import awkward

    cells = awkward.fill_none(cells, [], axis=0)
    cell = np.repeat(np.arange(len(cells)), awkward.to_numpy(awkward.num(cells, axis=1)))
    fields = {
        name: _text(awkward.flatten(cells[name], axis=1).to_list())
        for name in awkward.fields(cells)
        if name in AIRR.columns()
    }
    return pl.DataFrame({"cell": cell, **fields})


def _of_columns(obs: Any) -> pl.DataFrame:
    """The chains of columns of cells, one for each field of each of up to four chains."""
    slots = []
    for slot in SLOTS:
        fields = {name: slot + name for name in AIRR.columns() if slot + name in obs.columns}
        texts = {name: _text(obs[column]) for name, column in fields.items()}
        slots.append(pl.DataFrame({"cell": np.arange(len(obs)), **texts}))
    chains = pl.concat(slots, how="diagonal")
    filled = [~pl.col(name).is_in(MISSING) for name in ("junction_aa", "v_call") if name in chains]
    return chains.filter(pl.any_horizontal(False, *filled))  # most cells fill two of the slots


def _text(values: Iterable[object]) -> pl.Series:
    return pl.Series([None if v is None else str(v) for v in values], dtype=pl.String)
