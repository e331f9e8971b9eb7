"""`Reading`: what a file holds, and an account of every row."""

from dataclasses import dataclass
from pathlib import Path

from hopfield.repertoire.reading.clean import clean
from hopfield.repertoire.reading.formats import FORMATS
from hopfield.repertoire.reading.lines import Lines
from hopfield.repertoire.repertoire import LOCI, Repertoire


@dataclass(frozen=True, eq=False)
class Reading:
    """What a file holds.

    Every row is accounted for: `rows` is the number of distinct receptors, those merged into them
    (in `changed`) and those dropped.

    Attributes:
        path: of the file; of cells, the name of the sample.
        format: one of `FORMATS`.
        digest: SHA-256 of the file.
        rows: below the header, empty lines left out.
        repertoires: by locus, in the order of `LOCI`; loci without a receptor are left out.
        dropped: reason -> rows; a row is dropped for the first reason that holds.
        changed: what was changed -> rows that were kept.
        notes: what else is to be known, in sentences.
    """

    path: Path
    format: str
    digest: str
    rows: int
    repertoires: dict[str, Repertoire]
    dropped: dict[str, int]
    changed: dict[str, int]
    notes: tuple[str, ...]

    @classmethod
    def of_lines(
        cls, lines: Lines, form: str, *, path: Path, digest: str, longest: int
    ) -> "Reading":
        """Clean, merge and encode rows of a format."""
        receptors = clean(lines.table, FORMATS[form], longest)
        parts = receptors.frame.partition_by("locus", as_dict=True, include_key=False)
        found = {
            locus: Repertoire.from_frame(locus, parts[(locus,)])
            for locus in LOCI
            if (locus,) in parts
        }
        ragged = {"wrong number of fields": lines.ragged} if lines.ragged else {}
        merged = len(receptors.frame) - sum(map(len, found.values()))
        return cls(
            path=path,
            format=form,
            digest=digest,
            rows=lines.rows,
            repertoires=found,
            dropped=ragged | receptors.dropped,
            changed=receptors.changed | ({"merged": merged} if merged else {}),
            notes=receptors.notes,
        )
