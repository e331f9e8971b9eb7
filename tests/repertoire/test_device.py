"""Where a network computes: the same there as on a CPU."""

import numpy as np
import pytest
import torch

from conftest import SMALL
from hopfield.errors import ArgumentError
from hopfield.repertoire import RepertoireClassifier, explain
from hopfield.repertoire.device import best_device

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.mark.parametrize("device", DEVICES)
def test_predictions_training_and_explanations_are_the_same(device, fitted, planted, tmp_path):
    train, test = planted.repertoires[:30], planted.repertoires[30:]
    loaded = RepertoireClassifier.load(fitted.save(tmp_path), device)
    assert {one.device.type for one in loaded.network_.parameters()} == {device}
    wanted = fitted.predict_proba(test)
    np.testing.assert_allclose(loaded.predict_proba(test), wanted, atol=1e-4)
    there, here = (explain(one, test, top=20).sequences for one in (loaded, fitted))
    np.testing.assert_allclose(there["score"][:5], here["score"][:5], rtol=1e-3)
    again = RepertoireClassifier(device=device, **SMALL).fit(
        train, planted.metadata["diagnosis"][:30]
    )
    np.testing.assert_allclose(again.predict_proba(test), wanted, atol=1e-2)


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "mps", "CPU"])
def test_no_such_device(name):
    if torch.cuda.is_available() and name.startswith("cuda"):
        pytest.skip("there is an accelerator")
    with pytest.raises(ArgumentError, match=f"device is '{name}'; auto, cpu or cuda"):
        best_device(name)
