"""Files of receptor sequences, as sequencing laboratories and their programs write them."""

from hopfield.repertoire.reading.file import read
from hopfield.repertoire.reading.formats import FORMATS
from hopfield.repertoire.reading.reading import Reading
from hopfield.repertoire.reading.single_cell import from_anndata
from hopfield.repertoire.reading.table import write_table

__all__ = ["FORMATS", "Reading", "from_anndata", "read", "write_table"]
