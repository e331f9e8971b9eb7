"""What a plan says of the splits that cannot be made."""

import polars as pl

from hopfield.repertoire.dataset import RepertoireDataset
from hopfield.repertoire.plan import plan
from hopfield.repertoire.simulation import simulated


def test_a_batch_with_a_class_of_its_own_is_not_left_out():
    made = simulated(repertoires=20, sequences=5, signal="SFEN", witness=0.2)
    metadata = made.metadata.with_columns(
        kind=pl.Series(["a", "b", "b", "c", "c"] * 4), lane=pl.Series(["1", "2", "3", "2", "3"] * 4)
    )
    data = RepertoireDataset("TRB", tuple(made.repertoires), metadata, (None,) * 20)
    planned = plan(data, "kind", batch="lane", folds=2)
    assert [one.name for one in planned.batches] == ["without 2", "without 3"]
    assert planned.notes[-1] == (
        "The split 'without 1' is not made: no training repertoire would have kind 'a', so that "
        "batch and label cannot be told apart there."
    )
