"""`RepertoireClassifier`: Hopfield pooling over receptors, with scikit-learn's methods."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, ClassifierMixin
from tqdm import tqdm

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.processes import processes
from hopfield.repertoire import kmers
from hopfield.repertoire.clones import Clones, Receptor, beyond_chance, public_clones, receptor
from hopfield.repertoire.device import best_device
from hopfield.repertoire.folds import folds, group_numbers
from hopfield.repertoire.locus import one_locus
from hopfield.repertoire.model import Architecture, RepertoireNetwork
from hopfield.repertoire.repertoire import Repertoire
from hopfield.repertoire.screen import Rows, Screen, root_rates, screen
from hopfield.repertoire.seeding import Seeds, seeds
from hopfield.repertoire.targets import Target
from hopfield.repertoire.tasks import Task, Tasks
from hopfield.repertoire.training import Cohort, History, Training, train
from hopfield.repertoire.wanted import Wanted, as_targets, classes_as_given


class RepertoireClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Tells a label of a repertoire by Hopfield pooling over all its receptors.

    Labels of two kinds, of several, or quantities; several targets are learned together, and a
    missing label has no part in the loss. The method is that of Widrich et al. 2020
    (arXiv 2007.13505) with exact gradients over all receptors, seeded by a screen of k-mers.

    Example:
        >>> data = RepertoireDataset.from_metadata("metadata.tsv")
        >>> classifier = RepertoireClassifier().fit(data, data.target("diagnosis"))
        >>> classifier.predict_proba(data)

    Args:
        kernels: of the convolution over residues.
        kernel_size: residues that each sees: 3, 9 or 15.
        heads: of the pooling, each with a learned β.
        queries: learned states of each head.
        v_size: width of the embedding of V genes; 0 leaves them out.
        j_size: likewise of J genes.
        start: "screen" begins at k-mers that go with the target, "random" anywhere.
        most_kmers: that the screen may choose.
        epochs: at most.
        patience: epochs without a lower validation loss, after which training stops.
        batch: repertoires in an update.
        learning_rate: of Adam.
        balanced: whether classes weigh alike, however many repertoires each has.
        approximate: take the gradient of that share of the receptors alone; None takes all.
        validation: the share of the repertoires that tells when to stop; 0 trains all epochs.
        device: "auto" takes a GPU where there is one.
        seed: of everything random; the same gives the same model.

    Attributes:
        network_: the trained `RepertoireNetwork`.
        tasks_: what its outputs mean.
        history_: losses by epoch.
        screens_: what the screen found for each target; none from a random start.
        clones_: for each target the public clones that go with it beyond chance: junction, V and J.
        seeds_: what the first kernels began with; none from a random start.
        locus_: of the receptors.
        depths_: the fewest and the most receptors of a repertoire that was learned from.
        digest_: of the `RepertoireDataset` that was learned from, if it was one.
        classes_: of the first target, in the order of the columns of `predict_proba`; numbers where
            labels were given as numbers.
    """

    def __init__(
        self,
        *,
        kernels: int = 32,
        kernel_size: int = 9,
        heads: int = 16,
        queries: int = 2,
        v_size: int = 8,
        j_size: int = 4,
        start: Literal["screen", "random"] = "screen",
        most_kmers: int = 32,
        epochs: int = 12,
        patience: int = 3,
        batch: int = 4,
        learning_rate: float = 3e-3,
        balanced: bool = True,
        approximate: float | None = None,
        validation: float = 0.2,
        device: str = "auto",
        seed: int = 0,
    ) -> None:
        self.kernels = kernels
        self.kernel_size = kernel_size
        self.heads = heads
        self.queries = queries
        self.v_size = v_size
        self.j_size = j_size
        self.start = start
        self.most_kmers = most_kmers
        self.epochs = epochs
        self.patience = patience
        self.batch = batch
        self.learning_rate = learning_rate
        self.balanced = balanced
        self.approximate = approximate
        self.validation = validation
        self.device = device
        self.seed = seed

    def fit(
        self,
        repertoires: Sequence[Repertoire],
        targets: Wanted,
        *,
        groups: ArrayLike | None = None,
        rates: csr_array | None = None,
        clones: Clones | None = None,
        checkpoint: str | Path | None = None,
        progress: bool = False,
    ) -> Self:
        """Learn from repertoires.

        Args:
            repertoires: R of them, of one locus; a `RepertoireDataset` or a list.
            targets: `(R,)` labels, a `Target`, or several.
            groups: `(R,)`, for example subjects: those of one group are not split between what is
                learned from and what tells when to stop.
            rates: `(R, F)`, those of k-mers where they are known already; see `root_rates`.
            clones: public ones, where they are known already; see `public_clones`.
            checkpoint: a file by which stopped training goes on.
            progress: show bars.

        Raises:
            ArgumentError: an argument makes no sense, or the labels are all alike.
        """
        wanted = as_targets(targets, len(repertoires))
        settings = self.training()
        locus = one_locus(repertoires)
        learning, validating = self._split(wanted, groups)
        tasks = Tasks(tuple(Task.of(target, learning, self.balanced) for target in wanted))
        screens: tuple[Screen, ...] = ()
        public: tuple[tuple[Receptor, ...], ...] = ()
        if settings.start == "screen":
            if rates is None:
                rates = rates_of(repertoires, progress)
            if rates.shape[0] != len(repertoires):
                raise ArgumentError(
                    f"rates has {rates.shape[0]} rows for {len(repertoires)} repertoires"
                )
            if clones is None:
                clones = public_clones(tqdm(repertoires, "clones", disable=not progress))
            screens = tuple(screen(rates, one, learning, self.most_kmers) for one in wanted)
            public = tuple(self._associated(repertoires, one, learning, clones) for one in wanted)
        network = self._network([repertoires[i] for i in learning], tasks.outputs)
        start = seeds(network.architecture, screens, [*chain(*public)]) if screens else None
        values = torch.from_numpy(np.stack([target.values for target in wanted], 1))
        cohort = Cohort(repertoires, values, learning, validating)
        with torch.random.fork_rng(), processes():
            torch.manual_seed(self.seed)
            self.history_: History = train(
                network,
                tasks,
                cohort,
                settings,
                start,
                checkpoint=None if checkpoint is None else Path(checkpoint),
                progress=progress,
            )
        self.network_, self.tasks_, self.locus_ = network, tasks, locus
        self.screens_, self.clones_ = screens, public
        self.seeds_: Seeds = start or Seeds((), ())
        self.classes_: NDArray[Any] = classes_as_given(targets, wanted[0])
        depths = [len(repertoires[i]) for i in learning]
        self.depths_: tuple[int, int] = (min(depths), max(depths))
        self.digest_: str | None = getattr(repertoires, "digest", None)
        return self

    def check_known(self, repertoires: Sequence[Repertoire]) -> None:
        """The classifier was fit, and these are of its locus, and none is empty."""
        self._fitted()
        if (locus := one_locus(repertoires)) != self.locus_:
            raise ArgumentError(
                f"the repertoires are of locus {locus}; the model knows {self.locus_}"
            )

    def decision_function(
        self, repertoires: Sequence[Repertoire], *, progress: bool = False
    ) -> NDArray[np.float32]:
        """The outputs of the network, of one alone `(R,)`; see `outputs`."""
        outputs = self.outputs(repertoires, progress=progress)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def outputs(
        self, repertoires: Sequence[Repertoire], *, progress: bool = False
    ) -> NDArray[np.float32]:
        """The outputs of the network, `(R, outputs)`: logits, or standardised quantities.

        Each repertoire is told by itself: what else is predicted makes no difference.
        """
        self.check_known(repertoires)
        self.network_.eval()
        with torch.no_grad():
            rows = [
                self.network_([repertoire])
                for repertoire in tqdm(repertoires, "predicting", disable=not progress)
            ]
        outputs = torch.cat(rows).cpu()
        if not bool(outputs.isfinite().all()):
            which = int((~outputs.isfinite()).any(1).nonzero()[0])
            raise ArgumentError(f"the network gives {outputs[which].tolist()} for number {which}")
        return outputs.numpy()

    def predict_proba(self, repertoires: Sequence[Repertoire], *, progress: bool = False) -> Any:
        """Probabilities `(R, C)` of the classes of a target, or quantities `(R,)`.

        With several targets, a list of them.
        """
        outputs = torch.from_numpy(self.outputs(repertoires, progress=progress))
        parts = zip(self.tasks_.tasks, self.tasks_.split(outputs), strict=True)
        found = [task.predictions(part) for task, part in parts]
        return found[0] if len(found) == 1 else found

    def predict(self, repertoires: Sequence[Repertoire], *, progress: bool = False) -> Any:
        """The most probable classes, or the quantities, `(R,)`; with several targets `(R, T)`."""
        found = self.predict_proba(repertoires, progress=progress)
        found = [found] if len(self.tasks_.tasks) == 1 else found
        others = [np.array(task.classes) for task in self.tasks_.tasks[1:]]
        told = [
            part if task.kind == "regression" else classes[part.argmax(1)]
            for task, classes, part in zip(
                self.tasks_.tasks, [self.classes_, *others], found, strict=True
            )
        ]
        return told[0] if len(told) == 1 else np.stack([one.astype(object) for one in told], 1)

    def score(self, repertoires: Sequence[Repertoire], targets: Wanted) -> float:
        """The accuracy, or R² of a quantity, over repertoires with a label of the first target."""
        task = self._fitted().tasks[0]
        classes = task.classes or None
        target = as_targets(targets, len(repertoires), task.kind, classes)[0]
        known, told = target.labelled, self.predict(repertoires)
        told = told if told.ndim == 1 else told[:, 0]
        if task.kind == "regression":
            left = np.square(told[known].astype(float) - target.values[known]).sum()
            return float(
                1 - left / np.square(target.values[known] - target.values[known].mean()).sum()
            )
        right = self.classes_[target.values[known].astype(int)]
        return float((told[known] == right).mean())

    def save(self, folder: str | Path) -> Path:
        """Write the model to a folder: `model.safetensors` and `model.json`; see `bundle`."""
        from hopfield.repertoire import bundle

        self._fitted()
        return bundle.save(self, Path(folder))

    @staticmethod
    def load(folder: str | Path, device: str = "auto") -> "RepertoireClassifier":
        """Read a model that `save` wrote.

        Args:
            folder: that it wrote to.
            device: where it is to compute; "auto" takes a GPU where there is one.

        Raises:
            ArgumentError: there is no such device.
            FileError: there is none, or it is damaged, or of a later version.
        """
        from hopfield.repertoire import bundle

        return bundle.load(Path(folder), device)

    def _fitted(self) -> Tasks:
        if not hasattr(self, "tasks_"):
            raise ArgumentError("the classifier was not fit; call fit, or load a model")
        return self.tasks_

    def training(self) -> Training:
        """The arguments that say how to train.

        Raises:
            ArgumentError: one makes no sense, or there is no such device.
        """
        best_device(self.device)
        if not (_check.real(self.validation) is not None and 0 <= self.validation <= 0.5):
            raise ArgumentError(
                f"validation is {self.validation!r}; a share of 0 to 0.5 is expected"
            )
        names = Training.__dataclass_fields__
        return Training(**{name: getattr(self, name) for name in names})

    def _split(self, targets: list[Target], groups: ArrayLike | None) -> tuple[Rows, Rows]:
        """Rows to learn from, and rows that tell when to stop; all have a label."""
        first, count = targets[0], len(targets[0])
        together = None
        if groups is not None:
            together = group_numbers(groups)
            if len(together) != count:
                raise ArgumentError(f"groups has {len(together)} entries for {count} repertoires")
        labelled = np.any([target.labelled for target in targets], 0)
        validating = np.zeros(count, bool)
        if self.validation > 0:
            k = max(round(1 / self.validation), 2)
            for _, rows in folds(first, np.flatnonzero(first.labelled), together, k, self.seed)[:1]:
                own = np.arange(count) if together is None else together
                validating = np.isin(own, own[rows])
        return np.flatnonzero(labelled & ~validating), np.flatnonzero(labelled & validating)

    def _associated(
        self, repertoires: Sequence[Repertoire], target: Target, rows: Rows, clones: Clones
    ) -> tuple[Receptor, ...]:
        """Clones of each class against the rest (of two classes, of the positive one)."""
        if target.kind == "regression":
            return ()
        values = target.values[rows]
        found: dict[np.uint64, None] = {}
        for value in range(1 if target.kind == "binary" else 0, len(target.classes)):
            inside, outside = rows[values == value], rows[target.labelled[rows] & (values != value)]
            best = beyond_chance(clones.presence, inside, outside)[: self.kernels]
            found |= dict.fromkeys(clones.keys[best])
        return tuple(receptor(key, (repertoires[i] for i in rows)) for key in found)

    def _network(self, repertoires: Sequence[Repertoire], outputs: int) -> RepertoireNetwork:
        genes = {
            kind: tuple(sorted({name for one in repertoires for name in getattr(one, kind)} - {""}))
            for kind in ("v_genes", "j_genes")
        }
        architecture = Architecture(
            **genes,
            outputs=outputs,
            kernels=self.kernels,
            kernel_size=self.kernel_size,
            heads=self.heads,
            queries=self.queries,
            v_size=self.v_size,
            j_size=self.j_size,
        )
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            network = RepertoireNetwork(architecture)
        return network.to(best_device(self.device))


def rates_of(repertoires: Sequence[Repertoire], progress: bool = False) -> csr_array:
    """Square roots of the rates of gapped k-mers; see `root_rates`."""
    counts = kmers.count(tqdm(repertoires, "k-mers", disable=not progress))
    return root_rates(counts, np.array([len(repertoire) for repertoire in repertoires]))
