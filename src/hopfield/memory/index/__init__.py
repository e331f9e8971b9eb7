"""Retrieval by lists of near patterns, with intervals."""
