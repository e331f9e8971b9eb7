"""Retrieval from eight-bit codes, with a proved bound."""
