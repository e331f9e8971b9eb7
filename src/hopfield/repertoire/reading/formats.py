"""`Format`: in which columns a program writes what is read; and which format a header is of."""

from collections.abc import Collection
from dataclasses import dataclass

from hopfield import _check
from hopfield.errors import FileError


@dataclass(frozen=True)
class Format:
    """The columns of each role, in lower case, best first: the first that has values is taken.

    Attributes:
        v: V gene calls.
        j: J gene calls.
        junction: amino acids with their anchors, C … F or W.
        cdr3: amino acids without them; taken where there is no junction.
        count: reads, molecules or cells of a row.
        locus: chains.
    """

    v: tuple[str, ...]
    j: tuple[str, ...]
    junction: tuple[str, ...]
    cdr3: tuple[str, ...] = ()
    count: tuple[str, ...] = ()
    locus: tuple[str, ...] = ()

    def columns(self) -> set[str]:
        """All that are of use."""
        roles = (self.v, self.j, self.junction, self.cdr3, self.count, self.locus)
        return {name for role in roles for name in role}.union(MARKS, REPERTOIRES)

    def readable(self, header: Collection[str]) -> bool:
        """Whether the header has a sequence, and something that tells the locus."""
        return _any((*self.junction, *self.cdr3), header) and _any(
            (*self.v, *self.j, *self.locus), header
        )

    def complete(self, header: Collection[str]) -> bool:
        """Whether the header has a junction, both genes and a count."""
        return all(_any(role, header) for role in (self.v, self.j, self.junction, self.count))


# Rows where one of these has a value that does not say yes are dropped, for the reason given.
MARKS = {
    "productive": "unproductive",
    "vj_in_frame": "unproductive",
    "frame_type": "unproductive",
    "sequencestatus": "unproductive",
    "is_cell": "not a cell",
    "high_confidence": "low confidence",
}

REPERTOIRES = ("repertoire_id", "sample_name")  # what a row is of, where a file holds several

AIRR = Format(  # Rearrangement Schema of the AIRR Community, version 1
    v=("v_call",),
    j=("j_call",),
    junction=("junction_aa",),
    cdr3=("cdr3_aa",),
    count=("duplicate_count", "umi_count", "consensus_count"),
    locus=("locus",),
)

FORMATS = {
    "airr": AIRR,
    "airr-ml": Format(  # the Adaptive Immune Profiling Challenge of 2025
        v=("v_call",), j=("j_call",), junction=("junction_aa",), count=("templates",)
    ),
    "adaptive-v1": Format(  # immunoSEQ
        v=("vmaxresolved", "vgenename"),
        j=("jmaxresolved", "jgenename"),
        junction=("aminoacid",),
        count=("count (templates/reads)", "count (templates)", "count (reads)", "count"),
    ),
    "adaptive-v2": Format(
        v=("v_resolved", "v_gene"),
        j=("j_resolved", "j_gene"),
        junction=("amino_acid",),
        count=("templates", "reads"),
    ),
    "10x": Format(  # Cell Ranger's contigs; a row counts as often as in its AIRR file
        v=("v_gene",), j=("j_gene",), junction=("cdr3",), count=("umis", "reads"), locus=("chain",)
    ),
    "mixcr": Format(
        v=("allvhitswithscore", "bestvhit", "bestvgene", "all v hits"),
        j=("alljhitswithscore", "bestjhit", "bestjgene", "all j hits"),
        junction=("aaseqcdr3", "aa. seq. cdr3"),
        count=("uniquemoleculecount", "uniqueumicount", "readcount", "clonecount", "clone count"),
        locus=("topchains", "chains"),
    ),
    "vdjtools": Format(v=("v",), j=("j",), junction=("cdr3aa",), count=("count",)),
}


def _any(names: tuple[str, ...], header: Collection[str]) -> bool:
    return any(name in header for name in names)


def choose(header: Collection[str], name: str | None) -> str:
    """The format that was asked for, or the one of the header, in lower case.

    Raises:
        FileError: the header lacks what is needed.
        ArgumentError: there is no format of this name.
    """
    if name is not None:
        _check.choice("format", name, FORMATS)
        if FORMATS[name].readable(header):
            return name
        raise FileError(
            f"its header is not of format {name!r}: it has {_shown(header)}; {_expected(name)}"
        )
    found = next((name for name, form in FORMATS.items() if form.complete(header)), None)
    if found is None and AIRR.readable(header):  # counts and one of the genes may be missing
        found = "airr"
    if found is None:
        known = "; ".join(map(_expected, FORMATS))
        raise FileError(f"its header is of no known format: it has {_shown(header)}. {known}")
    return found


def _shown(header: Collection[str]) -> str:
    names = [name if len(name) <= 40 else name[:40] + "…" for name in list(header)[:30]]
    return ", ".join(map(repr, names)) + (", …" if len(header) > 30 else "")


def _expected(name: str) -> str:
    form = FORMATS[name]
    return f"{name} has {form.junction[0]}, {form.v[0]} and {form.j[0]}"
