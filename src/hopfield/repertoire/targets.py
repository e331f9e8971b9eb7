"""`Target`: what is to be told of each repertoire, from a column of the metadata."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hopfield import _check
from hopfield.errors import ArgumentError

Kind = Literal["binary", "multiclass", "regression"]
KINDS = ("binary", "multiclass", "regression")
NUMBERS_FROM = 10  # a column of numbers with more distinct values than this is a quantity
UNLABELLED = ("", "NA", "N/A", "NaN", "nan", "None", "null", "unknown")
POSITIVE = ("1", "1.0", "true", "t", "yes", "y", "positive", "pos", "+", "case")
NEGATIVE = ("0", "0.0", "false", "f", "no", "n", "negative", "neg", "-", "control", "healthy")


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

    def subset(self, rows: Sequence[int] | NDArray[np.int64]) -> "Target":
        """The same of some repertoires."""
        return replace(self, values=self.values[np.asarray(rows, np.int64)])

    @classmethod
    def of(
        cls,
        name: str,
        column: pl.Series,
        kind: str | None = None,
        positive: str | None = None,
        classes: Sequence[str] | None = None,
    ) -> "Target":
        """A column of the metadata as a target.

        Args:
            name: of the column.
            column: `(R,)`, text, numbers or booleans; empty cells and NA are no labels.
            kind: by default two distinct values are binary, more than 10 distinct numbers a
                quantity, all else classes.
            positive: the value that is the positive one of two; by default the one that says so
                (1, true, yes, positive …), or that is not the one which says no, or the later
                in the alphabet.
            classes: the classes in order, where they are known already.

        Raises:
            ArgumentError: the column has no labels, or not those of its kind; the message says so.
        """
        if kind is not None:
            _check.choice("kind", kind, KINDS)
        text = column.cast(pl.String).str.strip_chars()
        text = text.set(text.is_in(UNLABELLED), None)
        numbers = text.cast(pl.Float64, strict=False)
        present = text.drop_nulls()
        if present.is_empty():
            raise ArgumentError(f"no repertoire has a label in column {name!r}")
        distinct = sorted(present.unique())
        if kind is None:
            numeric = numbers.drop_nulls().len() == present.len()
            quantity = numeric and len(distinct) > NUMBERS_FROM
            kind = "binary" if len(distinct) <= 2 else "regression" if quantity else "multiclass"
        if kind == "regression":
            if numbers.drop_nulls().len() < present.len():
                wrong = text.filter(text.is_not_null() & numbers.is_null())[0]
                raise ArgumentError(
                    f"column {name!r} has {wrong!r}, which is no number; kind='multiclass' takes "
                    f"names of classes"
                )
            return cls(name, "regression", numbers.fill_null(np.nan).to_numpy().copy(), ())
        names = _ordered(name, distinct, kind, positive) if classes is None else tuple(classes)
        if strange := [value for value in distinct if value not in names]:
            raise ArgumentError(
                f"column {name!r} has {strange[0]!r}; one of {', '.join(map(repr, names))} is "
                f"expected"
            )
        place = {value: float(i) for i, value in enumerate(names)}
        values = np.array([place.get(value, np.nan) for value in text])
        return cls(name, "binary" if kind == "binary" else "multiclass", values, names)


def _ordered(name: str, distinct: list[str], kind: str, positive: str | None) -> tuple[str, ...]:
    """The classes in order; of two the negative one first."""
    if kind == "multiclass":
        if positive is not None:
            raise ArgumentError(f"column {name!r} has classes; positive={positive!r} needs two")
        if len(distinct) < 2:
            raise ArgumentError(f"column {name!r} has one class, {distinct[0]!r}; two are needed")
        return tuple(distinct)
    if len(distinct) != 2:
        shown = ", ".join(map(repr, distinct[:5]))
        raise ArgumentError(
            f"column {name!r} has {len(distinct)} distinct values ({shown}); a binary label needs "
            f"two"
        )
    if positive is None:
        says_yes = [value for value in distinct if value.lower() in POSITIVE]
        says_no = [value for value in distinct if value.lower() in NEGATIVE]
        others = [value for value in distinct if value not in says_no]
        positive = (says_yes or others if len(others) == 1 else says_yes or [distinct[1]])[0]
    elif positive not in distinct:
        raise ArgumentError(
            f"positive is {positive!r}; column {name!r} has {distinct[0]!r} and {distinct[1]!r}"
        )
    return (next(value for value in distinct if value != positive), positive)
