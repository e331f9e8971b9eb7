"""Ledgers are bounded, and rank what they keep."""

import torch

from hopfield.repertoire import ledger


def test_what_is_kept_is_bounded_and_ranked(planted, monkeypatch):
    monkeypatch.setattr(ledger, "PENDING", 500)
    monkeypatch.setattr(ledger, "KEPT", 3)
    found = ledger.Ledger(3)
    for repertoire in planted.repertoires[:8]:
        found.add(repertoire, torch.rand(len(repertoire)))
        assert sum(map(len, found.pending)) <= 500
    ranked = found.ranked()
    assert ranked["rank"].to_list() == [1, 2, 3]
    assert ranked["score"].is_sorted(descending=True)


def test_the_highest_of_scores_are_a_mask():
    scores = torch.tensor([0.1, -1.0, 3.0, 2.0])
    assert ledger.highest(scores, 2).tolist() == [False, False, True, True]
    assert not ledger.highest(scores, 0).any()
