"""A small cohort with one motif, and a classifier that learned it."""

import pytest

from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.simulation import simulated

SMALL = {"kernels": 8, "heads": 4, "v_size": 2, "j_size": 2, "most_kmers": 4, "epochs": 2}


@pytest.fixture(scope="session")
def planted():
    """40 repertoires of 200 receptors; the positive half has SFEN in a twentieth of them."""
    return simulated(repertoires=40, sequences=200, signal="SFEN", witness=0.05, seed=3)


@pytest.fixture(scope="session")
def fitted(planted):
    return RepertoireClassifier(**SMALL).fit(
        planted.repertoires[:30], planted.metadata["diagnosis"][:30]
    )
