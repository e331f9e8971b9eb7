"""Sentences 9 to 13: breadth, records on data sets that no package carries, and the code."""

from hopfield.claims.claim import Claim, Finding, Setting, Verdict


def _missing(reason: str) -> Finding:
    return Finding(Verdict.NOT_TESTABLE, reason)


def _bags(setting: Setting) -> Finding:
    return _missing(
        "No package carries any of the four data sets (Tiger, Fox, Elephant, UCSB Breast Cancer), "
        "and this library has no estimator for bags yet: its layer that pools them is checked in "
        "`mechanisms`."
    )


def _tables(setting: Setting) -> Finding:
    return _missing(
        "The collection is of 121 tables with folds of its own, which no package carries, and this "
        "library has no estimator for tables yet."
    )


def _drugs(setting: Setting) -> Finding:
    return _missing(
        "No package carries the data sets (side effects of drugs; inhibitors of β-secretase)."
    )


def _breadth(setting: Setting) -> Finding:
    return _missing("It sums up sentences 10 to 12, which are checked one by one.")


def _code(setting: Setting) -> Finding:
    return _missing(
        "Whether an address of the network has the authors' code cannot be seen without one. This "
        "library reads their checkpoints: see `hopfield.compat`."
    )


NEEDS = (
    "The paper's data sets, its folds, and its competitors on the same folds: mean AUC or accuracy "
    "not below the best of theirs."
)
BREADTH = Claim(
    "breadth",
    "abstract, sentence 9",
    "Hopfield layers are applicable across various domains.",
    "Sentences 10 to 12 are reproduced.",
    _breadth,
)
BAGS = Claim(
    "multiple-instance",
    "abstract, sentence 10; section 5.1",
    "Hopfield layers improve the state of the art on three of four multiple instance problems.",
    NEEDS,
    _bags,
)
TABLES = Claim(
    "small-tables",
    "abstract, sentence 11; section 5.2",
    "Hopfield layers are the new state of the art on the UCI collection of small tables.",
    NEEDS,
    _tables,
)
DRUGS = Claim(
    "drug-design",
    "abstract, sentence 12; section 5.3",
    "Hopfield layers reach the state of the art on two data sets of drug design.",
    NEEDS,
    _drugs,
)
CODE = Claim(
    "code",
    "abstract, sentence 13",
    "The authors' code is public.",
    "It is found at the address that the paper gives.",
    _code,
)
