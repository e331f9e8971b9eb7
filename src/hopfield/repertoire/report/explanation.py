"""What answers rest on, as a page, or as files."""

from functools import partial
from pathlib import Path
from typing import Any

from hopfield.plot.logos import logo
from hopfield.plot.theme import theme
from hopfield.repertoire.explanation import Explanation
from hopfield.repertoire.motifs import Motif
from hopfield.repertoire.reading import write_table
from hopfield.repertoire.repertoire import ALPHABET
from hopfield.repertoire.report.page import USE, WARNING
from hopfield.report import Figure, Report, Section, Table

SHOWN = 50  # rows of a table
LOGOS = 5  # of an output; each takes seconds to draw
PHASE = (
    "In the table receptors_90 is how many receptors hold 90 % of what speaks for the output, and "
    "state_90 how many hold 90 % of the association of the state that adds most. Its phase says on "
    "how many receptors that state rests: one (fixed point), some (metastable), all alike (global)."
)
COLUMNS = ("repertoire_id", "output", "receptors", "receptors_90", "state", "state_90", "phase")


def write(found: Explanation, table: str | Path) -> list[Path]:
    """Write the ranked receptors, and beside them what else is to be seen.

    Args:
        found: what is told; `redacted`, where need be.
        table: of receptors, such as `sequences.tsv` or `sequences.tsv.gz`.

    Returns:
        The table; the associations of each repertoire, `sequences.associations.tsv`; and a page
        with the motifs, `sequences.html`.
    """
    table = Path(table)
    name = table.name.removesuffix(".gz").removesuffix(".tsv")
    associations = table.with_name(f"{name}.associations.tsv")
    write_table(found.sequences, table)
    write_table(found.associations, associations)
    page(found).save(of_page := table.with_name(f"{name}.html"))
    return [table, associations, of_page]


def write_motifs(found: Explanation, folder: str | Path) -> None:
    """Write each motif as a matrix and a logo, and the table of repertoires.

    Args:
        found: what is told; `redacted`, where need be.
        folder: made if it is missing.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_table(found.repertoires, folder / "repertoires.tsv")
    for number, motif in enumerate(found.motifs, 1):
        write_table(motif.frame(), folder / f"motif-{number}.tsv")
        with theme():
            _drawn(motif).savefig(folder / f"motif-{number}.png")


def page(found: Explanation) -> Report:
    """The page."""
    return Report(
        f"What {found.output} of {found.target} rests on. {USE}",
        f"{USE}. {WARNING} It says what a model goes by, which need not be a cause.",
        sections(found),
    )


def sections(found: Explanation) -> list[Section]:
    """Motifs, the best receptors, and on how many of them each answer rests."""
    motifs = [
        Figure.drawn(partial(_drawn, motif), _caption(motif), f"Logo of {motif.consensus}")
        for motif in found.motifs[:LOGOS]
    ]
    weights = "" if found.output == found.target else ", each weighted by the probability of it"
    best = found.sequences.head(SHOWN)
    repertoires = found.repertoires.select(COLUMNS).head(SHOWN)
    return [
        Section(
            "Motifs",
            [
                f"Residues that kernels see in the receptors that hold 90 % of what speaks for "
                f"{found.output}, each weighted by what it adds by that kernel."
                if motifs
                else f"No motif {'is shown' if found.hidden else 'speaks'} for {found.output}."
            ],
            figures=motifs,
        ),
        Section(
            "Receptors",
            [
                f"What a receptor adds to {found.output}, by integrated gradients, summed over "
                f"repertoires{weights}."
            ],
            [Table(best.columns, best.rows(), f"The best {len(best)} of {len(found.sequences)}.")],
        ),
        Section(
            "On how many receptors answers rest",
            [*found.findings(), PHASE],
            [
                Table(
                    repertoires.columns,
                    repertoires.rows(),
                    f"{len(repertoires)} of {len(found.repertoires)} repertoires.",
                )
            ],
        ),
    ]


def _caption(motif: Motif) -> str:
    seed = "" if motif.seed is None else f" Its kernel began with {motif.seed}."
    return (
        f"{motif.consensus or 'no clear residue'}: {motif.share:.0%} of what these receptors add, "
        f"from {motif.receptors:.0f} receptors (effective number).{seed}"
    )


def _drawn(motif: Motif) -> Any:
    return logo(motif.matrix, motif.information, ALPHABET, motif.consensus or "no clear residue")
