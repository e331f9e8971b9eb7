"""Immune repertoire classification: receptor sequences in, a diagnosis and its sequences out."""

from hopfield.repertoire.repertoire import ALPHABET, LOCI, Repertoire

__all__ = ["ALPHABET", "LOCI", "Repertoire"]
