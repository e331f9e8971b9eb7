"""`Target`: what is to be told of each repertoire, from a column of the metadata."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.repertoire.columns import said

Kind = Literal["binary", "multiclass", "regression"]
Rows = Sequence[int] | Sequence[bool] | NDArray[np.int64] | NDArray[np.bool_]
KINDS = ("binary", "multiclass", "regression")
LARGEST = 1e100  # of a quantity: squares of what is more are infinite
TAKEN = ("repertoire_id", "split")  # columns of tables of predictions
NUMBERS_FROM = 10  # a column of numbers with more distinct values than this is a quantity
WHOLE = r"^(-?\d+)\.0+$"
SAYS_YES = r"^(t|true|y|yes|pos|case)$|positive$|\+$"
SAYS_NO = (
    r"^(0|f|false|n|no|neg|control|healthy|hc|normal)$|negative$|-$|^(no|non|not|without)[ _-]"
)


@dataclass(frozen=True, eq=False)
class Target:
    """What is to be told of each repertoire. Several labels are several targets.

    Attributes:
        name: of the column.
        kind: "binary", "multiclass" or "regression".
        values: `(R,)`, float64; 0 and 1 for negative and positive, the place of the class, or the
            quantity; NaN where there is no label, which is never taken for a negative.
        classes: the names of the classes in the order of the values; none for a quantity.
    """

    name: str
    kind: Kind
    values: NDArray[np.float64]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which repertoires have a label, `(R,)`."""
        return ~np.isnan(self.values)

    @property
    def outputs(self) -> int:
        """How many numbers tell it: one, or one for each of several classes."""
        return len(self.classes) if self.kind == "multiclass" else 1

    def subset(self, rows: Rows) -> "Target":
        """The same of some repertoires: their places, or True for those that are meant."""
        return replace(self, values=self.values[places(rows, len(self))])

    @classmethod
    def of(
        cls,
        name: str,
        column: pl.Series,
        kind: str | None = None,
        positive: object = None,
        classes: Sequence[str] | None = None,
    ) -> "Target":
        """A column of the metadata as a target.

        Args:
            name: of the column.
            column: `(R,)`, text, numbers or booleans; cells that are empty or say so (`MISSING`)
                are no labels.
            kind: by default two distinct values are binary, more than 10 distinct numbers a
                quantity, all else classes.
            positive: the value that is the positive one of two; by default the other one of one
                that says no (0, false, healthy, CMV- …), or the one that says yes (positive,
                CMV+ …), or the later in the alphabet.
            classes: the classes in order, where they are known already; none for a quantity.

        Raises:
            ArgumentError: the column has no labels, or not those of its kind; the message says so.
        """
        if kind is not None:
            _check.choice("kind", kind, KINDS)
        elif classes is not None:
            kind = {0: "regression", 2: "binary"}.get(len(classes), "multiclass")
        text = said(column).str.replace(WHOLE, "$1")  # 1.0 is the class 1
        numbers = text.cast(pl.Float64, strict=False)
        if text.is_null().all():
            raise ArgumentError(f"no repertoire has a label in column {name!r}")
        kind = kind or _kind(name, text, numbers)
        if kind == "regression":
            if positive is not None:
                raise ArgumentError(f"column {name!r} is a quantity; it has no {positive!r} class")
            sound = (numbers.abs() <= LARGEST).fill_null(False)
            if len(wrong := text.filter(text.is_not_null() & ~sound)):
                raise ArgumentError(
                    f"column {name!r} has {wrong[0]!r}, which is no number of up to {LARGEST:g}; "
                    f"kind='multiclass' takes names of classes"
                )
            return cls(name, "regression", numbers.fill_null(np.nan).to_numpy().copy(), ())
        numeric = text.null_count() == numbers.null_count()
        distinct = sorted(text.drop_nulls().unique(), key=float if numeric else None)
        names = tuple(classes or _ordered(name, distinct, kind, positive))
        if strange := [value for value in distinct if value not in names]:
            raise ArgumentError(
                f"column {name!r} has {strange[0]!r}; one of {', '.join(map(repr, names))} is "
                f"expected"
            )
        place = {value: float(i) for i, value in enumerate(names)}
        values = np.array([place.get(value, np.nan) for value in text])
        return cls(name, "binary" if kind == "binary" else "multiclass", values, names)


def target_in(
    metadata: pl.DataFrame,
    column: str,
    kind: str | None = None,
    positive: object = None,
    classes: Sequence[str] | None = None,
) -> Target:
    """A column of the metadata, by its name, as a target; see `Target.of`.

    Raises:
        ArgumentError: there is no such column, tables of predictions have another of its name, or
            it has no labels.
    """
    if column not in metadata.columns:
        raise ArgumentError(
            f"the metadata has no column {column!r}, but "
            f"{', '.join(map(repr, metadata.columns[:30]))}"
        )
    if column in TAKEN:
        raise ArgumentError(
            f"a label cannot be called {column!r}, as tables of predictions have another column "
            f"of this name; rename it"
        )
    return Target.of(column, metadata[column], kind, positive, classes)


def places(rows: Rows, size: int) -> NDArray[np.int64]:
    """Places among `size`, given as such or as True and False."""
    given = np.asarray(rows)
    if given.dtype == bool and given.shape == (size,):
        return given.nonzero()[0]
    if given.size == 0:
        return np.zeros(0, np.int64)
    if given.ndim != 1 or not np.issubdtype(given.dtype, np.integer):
        raise ArgumentError(
            f"rows has dtype {given.dtype} and shape {given.shape}; places, or True and False for "
            f"each of {size}, are expected"
        )
    if given.min() < -size or given.max() >= size:
        raise ArgumentError(f"rows has {given.max()}; there are {size} repertoires")
    return given.astype(np.int64) % size


def _kind(name: str, text: pl.Series, numbers: pl.Series) -> Kind:
    """Of what kind a column is."""
    labels, distinct = text.drop_nulls(), text.drop_nulls().n_unique()
    words = text.filter(text.is_not_null() & numbers.is_null())
    if distinct <= 2:
        return "binary"
    if distinct <= NUMBERS_FROM:
        return "multiclass"
    if words.is_empty():
        return "regression"
    if len(words) < len(labels):
        raise ArgumentError(
            f"column {name!r} has {len(labels) - len(words)} numbers and {words[0]!r}; mend it, or "
            f"choose kind='multiclass'"
        )
    if distinct > len(labels) / 2:
        raise ArgumentError(
            f"column {name!r} has {distinct} distinct values in {len(labels)} repertoires; if "
            f"these are classes, choose kind='multiclass'"
        )
    return "multiclass"


def _ordered(name: str, distinct: list[str], kind: str, positive: object) -> list[str]:
    """The classes in order; of two the negative one first."""
    spellings: dict[str, str] = {}
    for value in distinct:
        if (other := spellings.setdefault(value.lower(), value)) != value:
            raise ArgumentError(f"column {name!r} has {other!r} and {value!r}; write them alike")
    if len(distinct) == 1:
        raise ArgumentError(f"column {name!r} has one value, {distinct[0]!r}; a label needs two")
    if kind == "multiclass":
        if positive is not None:
            raise ArgumentError(f"column {name!r} has classes; positive={positive!r} needs two")
        return distinct
    if len(distinct) != 2:
        shown = ", ".join(map(repr, distinct[:5]))
        raise ArgumentError(
            f"column {name!r} has {len(distinct)} distinct values ({shown}); a binary label needs "
            f"two"
        )
    if positive is not None:
        wanted = spellings.get(re.sub(WHOLE, r"\1", str(positive)).lower())
        if wanted is None:
            raise ArgumentError(
                f"positive is {positive!r}; column {name!r} has {distinct[0]!r} and {distinct[1]!r}"
            )
        return sorted(distinct, key=lambda value: value == wanted)
    return sorted(
        distinct,
        key=lambda value: (
            not re.search(SAYS_NO, value.lower()),
            re.search(SAYS_YES, value.lower()) is not None,
        ),
    )
