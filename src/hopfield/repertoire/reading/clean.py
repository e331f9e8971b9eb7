"""Rows as they were written, made receptors: what is dropped, what is changed, and in how many."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from hopfield.repertoire.reading.formats import MARKS, REPERTOIRES, Format
from hopfield.repertoire.reading.genes import FIRST, anchor, gene, locus
from hopfield.repertoire.repertoire import ALPHABET

MISSING = ("", "None", "NA", "na", "<NA>", "NaN", "nan", "null", "NULL")
YES = ("t", "true", "1", "1.0", "y", "yes", "in", "in-frame", "productive", "functional")
NOTHING = ("", "na", "<na>", "nan", "null")  # but "None" of Cell Ranger is a contig cut short
RESIDUES = f"^[{ALPHABET}{ALPHABET.lower()}]+$"
RARE, USUAL = 0.1, 0.9  # shares of rows that have anchors
MOST = 2**40  # what is more is no count
SHOWN = 5  # names in a note


@dataclass(frozen=True)
class Receptors:
    """Receptors that are clean, and what was done to get them.

    Attributes:
        frame: `locus`, `junction_aa`, `v_call`, `j_call`, `duplicate_count`; rows are not merged.
        dropped: reason -> rows.
        changed: what was changed -> rows that are kept.
        notes: what else is to be known.
    """

    frame: pl.DataFrame
    dropped: dict[str, int]
    changed: dict[str, int]
    notes: tuple[str, ...]


def clean(table: pl.DataFrame, form: Format, longest: int) -> Receptors:
    """Make receptors of rows.

    Args:
        table: columns of text, with the names of the format.
        form: what they mean.
        longest: the most residues of a junction.
    """
    sequence = _first_filled(table, (*form.junction, *form.cdr3))
    calls = {"V": _first_filled(table, form.v), "J": _first_filled(table, form.j)}
    names = {s: _by_distinct(c, lambda d: d.str.extract(FIRST)) for s, c in calls.items()}
    genes = {s: _mapped(name, partial(gene, s)).fill_null("") for s, name in names.items()}
    loci = _loci(_first_filled(table, form.locus), names["V"], names["J"])
    number = _first_filled(table, form.count).cast(pl.Float64, strict=False).fill_nan(None)
    count = number.zip_with((number < MOST).fill_null(False), pl.Series([1.0]))
    sound = sequence.str.contains(RESIDUES)
    lower = sequence.str.contains("[a-z]")
    junction = sequence.str.to_uppercase() if lower.any() else sequence
    bare, notes = _bare(junction, sound, sequence.name in form.cdr3)
    if bare.any():
        junction = junction.zip_with(~bare, _with_anchors(junction, genes["J"], loci))
    kept, dropped = _tell_apart(
        {
            **_unmarked(table),
            "no sequence": sequence.is_null(),
            "stop codon (*)": sequence.str.contains("*", literal=True),
            "frame shift (_ or ~)": sequence.str.contains("[_~]"),
            "unknown residue (X)": sequence.str.contains("[Xx]"),
            "other than the 20 residues": ~sound,
            f"longer than {longest} residues": junction.str.len_bytes() > longest,
            "count of 0 or less": number <= 0,
            "no locus": loci.is_null(),
        }
    )
    changed = {
        "white space": sequence.str.len_bytes() != table[sequence.name].str.len_bytes(),
        "lower case": lower,
        "anchors added": bare,
        "count missing, taken as 1": number.is_null(),
        "count of 2^40 or more, taken as 1": number >= MOST,
        "count rounded": count != count.round(),
        "V gene missing or not known": genes["V"] == "",
        "J gene missing or not known": genes["J"] == "",
    }
    frame = pl.DataFrame(
        {
            "locus": loci,
            "junction_aa": junction,
            "v_call": genes["V"],
            "j_call": genes["J"],
            "duplicate_count": count.round().clip(1).cast(pl.Int64),
        }
    )
    notes += _several(table)
    for segment, call in calls.items():
        notes += _not_known(segment, call.filter(kept & (genes[segment] == "")))
    rows = {what: int((column & kept).sum()) for what, column in changed.items()}
    return Receptors(frame.filter(kept), dropped, {w: n for w, n in rows.items() if n}, notes)


def _first_filled(table: pl.DataFrame, names: Sequence[str]) -> pl.Series:
    """The first of these columns that has a value, or the last; white space and NA are none."""
    column = pl.repeat(None, len(table), dtype=pl.String, eager=True)
    for name in names:
        if name in table.columns:
            text = pl.col(name).str.strip_chars()
            column = table.select(pl.when(~text.is_in(MISSING)).then(text)).to_series()
            if column.null_count() < len(column):
                break
    return column


def _by_distinct(
    column: pl.Series, function: Callable[[pl.Series], Iterable[str | None]]
) -> pl.Series:
    """A function of texts, of each that is distinct once."""
    distinct = column.drop_nulls().unique()
    values = pl.Series(function(distinct), dtype=pl.String)
    return column.replace_strict(distinct, values, default=None, return_dtype=pl.String)


def _mapped(column: pl.Series, function: Callable[[str], str | None]) -> pl.Series:
    """A function of each text."""
    return _by_distinct(column, lambda distinct: map(function, distinct))


def _loci(chain: pl.Series, v: pl.Series, j: pl.Series) -> pl.Series:
    """The locus of each row: of the chain, else of the V gene, else of the J gene."""
    of_chain, of_v, of_j = (_mapped(column, locus) for column in (chain, v, j))
    shared = (of_v == "TRA") & (of_j == "TRD")  # TRAV29/DV5 and its like serve both
    return pl.select(pl.coalesce(of_chain, pl.when(shared).then(of_j), of_v, of_j)).to_series()


def _bare(
    sequences: pl.Series, sound: pl.Series, named_cdr3: bool
) -> tuple[pl.Series, tuple[str, ...]]:
    """Which sequences lack their anchors, told by what they are, and what to say of it."""
    column, rows = sequences.name, int(sound.sum())
    begin = sequences.str.starts_with("C").fill_null(False)
    whole = begin & sequences.str.contains("[FW]$").fill_null(False)
    anchored = int((whole & sound).sum())
    none = pl.repeat(False, len(sequences), dtype=pl.Boolean, eager=True)
    if rows == 0 or (anchored >= USUAL * rows and not named_cdr3):
        return none, ()
    if named_cdr3 and anchored > USUAL * rows:
        return none, (f"{column} has the anchors of junctions, and is taken as it is",)
    if named_cdr3 or int((begin & sound).sum()) < RARE * rows:
        note = f"{column} has no anchors: C was put before, and F or W by the J gene behind it"
        return ~whole, (note + f"; {anchored} of {rows} had them" * (anchored > 0),)
    return ~begin, (
        f"{anchored} of {rows} sequences in {column} begin with C and end with F or W, as "
        f"junctions do; those without C got both",
    )


def _with_anchors(cdr3: pl.Series, j_genes: pl.Series, loci: pl.Series) -> pl.Series:
    """Junctions of sequences without anchors; the last is W in IGH where the J gene is missing."""
    by_locus = pl.when(loci == "IGH").then(pl.lit("W")).otherwise(pl.lit("F"))
    last = _mapped(j_genes, anchor)
    return pl.select(pl.concat_str(pl.lit("C"), cdr3, pl.coalesce(last, by_locus))).to_series()


def _several(table: pl.DataFrame) -> tuple[str, ...]:
    """A note on a file that holds several repertoires."""
    found = {name: table[name].drop_nulls().n_unique() for name in REPERTOIRES if name in table}
    return tuple(
        f"it holds {number} repertoires, told apart by {name}, which are read as one: split it"
        for name, number in found.items()
        if number > 1
    )


def _unmarked(table: pl.DataFrame) -> dict[str, pl.Series]:
    """Rows that a mark says are not to be used, by reason; an empty mark says nothing."""
    unmarked: dict[str, pl.Series] = {}
    for name, reason in MARKS.items():
        if name in table.columns:
            no = ~table[name].str.strip_chars().str.to_lowercase().is_in((*YES, *NOTHING))
            unmarked[reason] = unmarked[reason] | no if reason in unmarked else no
    return unmarked


def _tell_apart(wrong: dict[str, pl.Series]) -> tuple[pl.Series, dict[str, int]]:
    """Which rows are kept; how many are dropped for which reason, the first that holds."""
    reasons = (pl.when(rows).then(pl.lit(reason)) for reason, rows in wrong.items())
    reason = pl.select(pl.coalesce(*reasons)).to_series()
    found = dict(reason.drop_nulls().value_counts().iter_rows())
    return reason.is_null(), {reason: found[reason] for reason in wrong if reason in found}


def _not_known(segment: str, calls: pl.Series) -> tuple[str, ...]:
    """A note that names the most frequent of the gene calls that stand for no gene."""
    found = calls.drop_nulls().alias("call").value_counts(name="rows")
    if found.is_empty():
        return ()
    most = found.sort("rows", "call", descending=[True, False]).head(SHOWN)
    shown = ", ".join(f"{call[:40]!r} ({rows} rows)" for call, rows in most.iter_rows())
    others = f" and {len(found) - SHOWN} others" if len(found) > SHOWN else ""
    return (f"{segment} genes not known, or several in one: {shown}{others}",)
