"""What is compared on the same splits: our pooling, seeded and not, and every baseline."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from hopfield.repertoire import distributed
from hopfield.repertoire.baselines import baselines
from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.clones import Clones
from hopfield.repertoire.dataset import RepertoireDataset
from hopfield.repertoire.features import Features
from hopfield.repertoire.screen import Rows
from hopfield.repertoire.splits import Split, fold_numbers, of_numbers
from hopfield.repertoire.store import Arrays, Store
from hopfield.repertoire.targets import Target

Told = dict[tuple[str, str], Arrays]  # by the names of split and contender
POOLING, RANDOM = "Hopfield pooling", "pooling, random start"
INNER_FEWEST = 8  # repertoires to learn from in inner folds: some of them tell when to stop


@dataclass(frozen=True, eq=False)
class Study:
    """What is to be told of which repertoires.

    Attributes:
        data: R repertoires, each with a label of some target.
        features: what baselines see of them.
        targets: what is to be told.
        groups: `(R,)`, repertoires with the same number are never split; None if each is alone.
        seed: of all splits and models.
    """

    data: RepertoireDataset
    features: Features
    targets: tuple[Target, ...]
    groups: NDArray[np.int64] | None
    seed: int


@dataclass(frozen=True)
class Fit:
    """What is kept of a fit of our model.

    Attributes:
        candidate: the number of its settings among the candidates.
        epoch: whose parameters were kept; 0 is the start.
        loss: of the repertoires that tell when to stop, after that epoch; NaN where there are none.
        kmers: that it began at, for each target; none from a random start.
    """

    candidate: int
    epoch: int
    loss: float
    kmers: Sequence[Sequence[int]]

    @classmethod
    def of(cls, fitted: RepertoireClassifier, candidate: int) -> "Fit":
        """What is kept of this one."""
        history = fitted.history_
        kmers = [screen.beyond_chance().features.tolist() for screen in fitted.screens_]
        return cls(candidate, history.best, history.validation[history.best], kmers)

    def arrays(self) -> Arrays:
        """The same, as `Store` keeps it."""
        return {"fit": np.array(json.dumps(asdict(self)))}

    @classmethod
    def of_arrays(cls, kept: Arrays) -> "Fit":
        """What `arrays` gave, among other things."""
        return cls(**json.loads(str(kept["fit"])))


class Contender(Protocol):
    """A model that is fit on some rows, and tells others."""

    @property
    def name(self) -> str:
        """As reports show it."""

    def tell(self, study: Study, split: Split) -> Arrays:
        """Fit, and predict.

        Returns:
            Predictions of the test rows for each target that it can tell, by its number; and what
            else is to be kept of the fit.
        """


@dataclass(frozen=True)
class Pooling:
    """Our model; its settings are those of the candidates with the least loss in inner folds.

    Attributes:
        name: see `Contender`.
        classifier: whose settings are taken, but for the seed; it is not fit.
        store: that keeps the losses of inner folds.
        candidates: what to change in the settings; the first is taken without inner folds.
        inner_folds: of the training rows; 0 for none.
        progress: show a bar.
        clones: whether public clones seed it too; its weights then show their sequences.
    """

    name: str
    classifier: RepertoireClassifier
    store: Store
    candidates: Sequence[Mapping[str, Any]] = ({},)
    inner_folds: int = 0
    progress: bool = False
    clones: bool = True

    def tell(self, study: Study, split: Split) -> Arrays:
        best = self.choose(study, split)
        fitted = self.fit(study, split.train, best, split.name)
        found = fitted.predict_proba([study.data[i] for i in split.test])
        found = found if len(study.targets) > 1 else [found]
        told = {str(number): one for number, one in enumerate(found)}
        return told | Fit.of(fitted, best).arrays()

    def choose(self, study: Study, split: Split) -> int:
        """The candidate with the least mean loss over inner folds of the training rows.

        The first where too few repertoires are left to learn from in these.
        """
        if self.inner_folds == 0 or len(self.candidates) == 1:
            return 0
        numbers = fold_numbers(
            study.targets, split.train, study.groups, self.inner_folds, study.seed
        )
        inner = of_numbers(numbers, "inner fold")
        if not inner or any(fold.poor(study.targets, INNER_FEWEST) for fold in inner):
            return 0
        losses = torch.zeros(len(self.candidates), dtype=torch.float64)
        fits = [(number, fold) for number in range(len(losses)) for fold in inner]
        quiet = not self.progress or distributed.rank() > 0
        for number, fold in tqdm(fits, "settings", leave=False, disable=quiet):
            name = f"{split.name}, {fold.name}, candidate {number}"
            kept = self.store.kept(name, partial(self._loss, study, fold, number, split.name))
            losses[number] += float(kept["loss"])
        distributed.from_first([losses])
        return int(losses.argmin())

    def fit(
        self, study: Study, rows: Rows, candidate: int, name: str, progress: bool = False
    ) -> RepertoireClassifier:
        """The classifier with the settings of a candidate, fit on some rows; may be stopped."""
        settings = self.classifier.get_params() | dict(self.candidates[candidate])
        clones = study.features.clones.of(rows) if self.clones else Clones.none(len(rows))
        repertoires: Any = study.data  # with their digest, which the final model keeps
        if len(rows) < len(study.data):
            repertoires = [study.data[i] for i in rows]
        return RepertoireClassifier(**settings | {"seed": study.seed}).fit(
            repertoires,
            [target.subset(rows) for target in study.targets],
            groups=None if study.groups is None else study.groups[rows],
            rates=study.features.rates[rows],
            clones=clones,
            checkpoint=self.store.checkpoint(f"{self.name}, {name}, candidate {candidate}"),
            progress=progress,
        )

    def _loss(self, study: Study, fold: Split, candidate: int, outer: str) -> Arrays:
        """The mean loss of the test rows of an inner fold."""
        fitted = self.fit(study, fold.train, candidate, f"{outer}, {fold.name}")
        outputs = torch.from_numpy(
            fitted.outputs([study.data[i] for i in fold.test]).astype(np.float64)
        )
        values = torch.from_numpy(np.stack([one.values[fold.test] for one in study.targets], 1))
        total = fitted.tasks_.losses(outputs, values).sum() / (~values.isnan()).sum()
        return {"loss": total.numpy()}


def candidates_of(classifier: RepertoireClassifier) -> tuple[Mapping[str, Any], ...]:
    """What inner folds choose among: its settings, fewer k-mers, or a higher learning rate."""
    return (
        {},
        {"most_kmers": math.ceil(classifier.most_kmers / 4)},
        {"learning_rate": 3 * classifier.learning_rate},
    )


@dataclass(frozen=True)
class Compared:
    """A baseline, for each target that it can tell.

    Attributes:
        name: of the baseline.
    """

    name: str

    def tell(self, study: Study, split: Split) -> Arrays:
        found: Arrays = {}
        for number, target in enumerate(study.targets):
            model = baselines(study.features, target, study.seed).get(self.name)
            if model is not None:
                model.fit(study.features, split.train, target, study.groups)
                found[str(number)] = model.predict(study.features, split.test)
        return found


def tell_all(
    study: Study,
    splits: Sequence[Split],
    contenders: Sequence[Contender],
    store: Store,
    progress: bool = False,
) -> Told:
    """What each contender tells of the test rows of each split.

    Returns:
        By the names of split and contender, with the `seconds` that it took.
    """
    found = {}
    jobs = [(one, split) for one in contenders for split in splits]
    with tqdm(total=len(jobs), disable=not progress or distributed.rank() > 0) as bar:
        for one, split in jobs:
            name = f"{split.name}: {one.name}"
            bar.set_description(name)
            found[split.name, one.name] = store.kept(name, partial(_timed, one, study, split))
            bar.update()
    return found


def _timed(contender: Contender, study: Study, split: Split) -> Arrays:
    began = time.perf_counter()
    found = contender.tell(study, split)
    return found | {"seconds": np.array(time.perf_counter() - began)}
