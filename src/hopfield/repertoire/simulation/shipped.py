"""Where the shipped background comes from: `python -m hopfield.repertoire.simulation.shipped`."""

from pathlib import Path

import polars as pl

from hopfield.repertoire.repertoire import Repertoire
from hopfield.repertoire.simulation.background import SHIPPED, Background


def repertoires() -> list[Repertoire]:
    """The 12 human TRB repertoires that pyimmunarch carries (Apache-2.0), junctions that are whole.

    Whole is a junction of the 20 residues from its C to its F or W.
    """
    import pyimmunarch

    folder = Path(pyimmunarch.__path__[0])
    rows = (
        pl.read_parquet(folder / "_data" / "immdata.parquet")
        .select(
            sample="Sample",
            junction_aa="CDR3.aa",
            v_call="V.name",
            j_call="J.name",
            duplicate_count="Clones",
        )
        .filter(pl.col("junction_aa").str.contains("^C[ACDEFGHIKLMNPQRSTVWY]+[FW]$"))
    )
    samples = rows.partition_by("sample", maintain_order=True, include_key=False)
    return [Repertoire.from_frame("TRB", sample) for sample in samples]


if __name__ == "__main__":
    Background.fit(repertoires()).save(SHIPPED)
