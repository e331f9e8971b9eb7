"""Gene calls as programs write them: the gene in IMGT's name, its locus, the anchor of a J gene."""

import re
from functools import lru_cache

from hopfield import _check
from hopfield.repertoire.repertoire import LOCI

# The first gene of a call, without allele and score: TRBV5-1 in "TRBV5-1*00(812),TRBV5-4*00(512)".
# Also read by polars, whose regular expressions are those of Rust.
FIRST = r"((?i:TC?R[ABGD]|IG[HKL])[VDJvdj](?:\([IVX]+\))?[^\s,;|*(]*)"
CHAIN = re.compile(r"(?:TC?R(?=[ABGD])|IG(?=[HKL]))(.)(?:[VDJ].+)?", re.IGNORECASE)
LOCUS = {locus[-1]: locus for locus in LOCI}


@lru_cache(maxsize=2**16)
def gene(segment: str, name: str) -> str:
    """The name by IMGT: TRBV5-1 for `TCRBV05-01`.

    "" where it is no human gene of this segment, V or J, or is a family of several genes (`TRBV6`),
    or two genes (`TRBV12-3/12-4`).
    """
    name = name.upper().replace("_", "-")  # TCRBV20-OR09_02
    tidytcells = _check.extra("tidytcells", "repertoire")
    genes = tidytcells.ig if name.startswith("IG") else tidytcells.tr
    known = genes.standardize(name, precision="gene", log_failures=False)
    if known is None or known[3] != segment:
        return ""
    if known.endswith("-1") and not re.search(r"[-S.]0*1$", name):  # TRBV6-1 for TRBV6
        family = "^" + re.escape(known[:-1])
        if len(genes.query(precision="gene", contains_pattern=family)) > 1:
            return ""
    return known


@lru_cache(maxsize=2**16)
def locus(name: str) -> str | None:
    """The locus of a gene or chain: TRB for `TCRBV05-01` and `TCRB`; none for `Multi`."""
    found = CHAIN.fullmatch(name)
    return None if found is None else LOCUS[found[1].upper()]


@lru_cache(maxsize=2**10)
def anchor(j_gene: str) -> str | None:
    """The conserved residue that ends a junction of this J gene: F or W, rarely C."""
    if not j_gene:
        return None
    tidytcells = _check.extra("tidytcells", "repertoire")
    return tidytcells.junction.standardize("A", j_symbol=j_gene, log_failures=False)[-1]
