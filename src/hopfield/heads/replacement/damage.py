"""The harm that replacements do together."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from hopfield.heads.replacement.install import Plan, replaced
from hopfield.heads.replacement.measure import Measure
from hopfield.huggingface.recording import in_eval_mode


class Damage:
    """Measures plans on the same texts; the unchanged model runs once.

    Args:
        model: of transformers; it comes back as it is.
        batches: text.
        measure: of harm.
    """

    def __init__(
        self, model: nn.Module, batches: Sequence[Mapping[str, Tensor]], measure: Measure
    ) -> None:
        self._model, self._batches, self._measure = model, batches, measure
        self._before: list[Tensor] = []

    @torch.no_grad()
    def __call__(self, plan: Plan) -> list[float]:
        """The damage to each text when all heads of a plan are replaced."""
        with in_eval_mode(self._model):
            if not self._before:
                self._before = self._answers({})
            now = self._answers(plan)
        pairs = zip(now, self._before, strict=True)
        return torch.cat([self._measure.damage(*pair) for pair in pairs]).tolist()

    def _answers(self, plan: Plan) -> list[Tensor]:
        with replaced(self._model, plan):
            return [self._measure.answers(self._model, inputs) for inputs in self._batches]
