"""Simulated signals: the test AUC of Hopfield pooling beside baselines, by outer folds.

python -m benchmarks.signals                          all signals, seeds 0 to 2
python -m benchmarks.signals "4-mer in 1 %" --seeds 0   one of them

Each fold of each seed is kept in docs/signals.json as soon as it is there, so that this may be
stopped and goes on; the table in docs/repertoire.md is written from it. The first fold of each seed
is explained too: how many of the receptors that carry the signal in its test repertoires are among
as many best ones, and what its first three motifs are. `--times` measures instead how long one fold
takes, alone on the machine: reading the files, the screen, and the model.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score

from hopfield.repertoire import RepertoireClassifier, RepertoireDataset, explain
from hopfield.repertoire.baselines import KmerRegression, MinMaxSVM, PublicClones
from hopfield.repertoire.explanation import RECEPTOR
from hopfield.repertoire.features import Features
from hopfield.repertoire.folds import folds
from hopfield.repertoire.simulation import PublicClones as CloneSignal
from hopfield.repertoire.simulation import Signal, simulate, simulated
from hopfield.repertoire.targets import Target

DOCS = Path(__file__).parent.parent / "docs"
FOUND, TIMES = DOCS / "signals.json", DOCS / "signals.times.json"
POOLING = "Hopfield pooling"
BASELINES = (KmerRegression, MinMaxSVM, PublicClones)


@dataclass(frozen=True)
class Case:
    """A signal, and what is asked: a test AUC or, None, no worse than the best baseline − .01."""

    signal: str | Signal
    witness: float
    least: float | None
    minutes: float
    repertoires: int = 400
    sequences: int = 10_000
    published: str = ""  # by Widrich et al. 2020 for a task that is alike


THREE = "SF.EN,L.GRA,PQ.KW"
CASES = {
    "4-mer in 1 %": Case("SFEN", 0.01, 0.99, 1, published="1.00"),
    "4-mer in 0.1 %": Case("SFEN", 0.001, 0.99, 2, published=".984"),
    "three gapped motifs in 0.1 %": Case(THREE, 0.001, 0.98, 4, published=".938"),
    "4-mer in two of 10 000": Case("SFEN", 2, 0.95, 4),
    "4-mer in 0.01 %, 100 × 300 000": Case("SFEN", 1e-4, 0.95, 10, 100, 300_000),
    "PWM in 0.1 %": Case("SFENL~2.2", 0.001, None, 4),
    "4-mer with TRBV5-1 in 0.1 %": Case("SFEN@TRBV5-1", 0.001, None, 4),
    "4-mer at residue 5 in 0.1 %": Case("SGEN@5", 0.001, None, 4),
    "5 of 20 clones, up to one residue other": Case(CloneSignal(20, 1), 5, None, 4),
}
SHUFFLED = "4-mer in 0.1 %, labels shuffled"
SHUFFLES = 20
START, END = "<!-- signals -->", "<!-- /signals -->"


def cohort(case: Case, seed: int) -> tuple[RepertoireDataset, pl.DataFrame]:
    """The repertoires, and what was planted in them."""
    made = simulated(
        repertoires=case.repertoires,
        sequences=case.sequences,
        signal=case.signal,
        witness=case.witness,
        seed=seed,
        progress=True,
    )
    return RepertoireDataset.from_repertoires(made.repertoires, made.metadata), made.truth


def auc_of(case_name: str, seed: int, kept: dict, path: Path) -> None:
    """Each fold and model of a cohort that is not there yet."""
    wanted = [f"{case_name} | {seed} | {fold}" for fold in range(5)]
    if all(key in kept for key in wanted):
        return
    case = CASES[case_name]
    data, planted = cohort(case, seed)
    features, target = Features(data), data.target("diagnosis")
    for key, (train, test) in zip(wanted, split(target, seed), strict=True):
        if key in kept:
            continue
        start = time.perf_counter()
        classifier = fitted(data, features, target, train, seed)
        seconds = time.perf_counter() - start
        found = {POOLING: area(target, test, probability(classifier, data, test))}
        for baseline in BASELINES:
            model = baseline(seed).fit(features, train, target)
            found[baseline.name] = area(target, test, model.predict(features, test)[:, 1])
        kept[key] = {"auc": found, "epochs": classifier.history_.best, "seconds": seconds}
        if key == wanted[0]:
            kept[key] |= explained(classifier, data.subset(test), planted)
        path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
        print(
            key,
            {name: round(value, 4) for name, value in found.items()},
            round(seconds),
            flush=True,
        )


def explained(
    classifier: RepertoireClassifier, data: RepertoireDataset, planted: pl.DataFrame
) -> dict[str, float | list[str]]:
    """The share of what was planted that is among as many best receptors, and the first motifs."""
    there = planted.filter(pl.col("repertoire_id").is_in(data.ids)).select(RECEPTOR).unique()
    found = explain(classifier, data, top=len(there), progress=True)
    hits = found.sequences.join(there, on=RECEPTOR, how="semi")
    return {
        "in top k": len(hits) / len(there),
        "motifs": [motif.consensus for motif in found.motifs[:3]],
    }


def shuffled(seed: int, kept: dict, path: Path) -> None:
    """One fold of each of many shuffles of the labels."""
    missing = [i for i in range(SHUFFLES) if f"{SHUFFLED} | {seed} | {i}" not in kept]
    if not missing:
        return
    data, _ = cohort(CASES["4-mer in 0.1 %"], seed)
    features, target = Features(data), data.target("diagnosis")
    for i in missing:
        values = np.random.default_rng([seed, i]).permutation(target.values)
        mixed = Target(target.name, target.kind, values, target.classes)
        train, test = split(mixed, seed)[0]
        classifier = fitted(data, features, mixed, train, seed)
        found = area(mixed, test, probability(classifier, data, test))
        kept[f"{SHUFFLED} | {seed} | {i}"] = {"auc": {POOLING: found}}
        path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
        print(SHUFFLED, i, round(found, 3), flush=True)


def split(target: Target, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return folds(target, np.arange(len(target)), k=5, seed=seed)


def fitted(data, features, target, train, seed) -> RepertoireClassifier:
    return RepertoireClassifier(seed=seed).fit(
        data.subset(train),
        target.subset(train),
        rates=features.rates[train],
        clones=features.clones.of(train),
        progress=True,
    )


def probability(classifier, data, rows) -> np.ndarray:
    return classifier.predict_proba(data.subset(rows))[:, 1]


def area(target: Target, rows, score) -> float:
    return float(roc_auc_score(target.values[rows], score))


def time_of(case_name: str) -> dict[str, float]:
    """Seconds and megabytes of one fold, from files: reading, screen and model; no cache."""
    case = CASES[case_name]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        metadata = simulate(
            folder,
            repertoires=case.repertoires,
            sequences=case.sequences,
            signal=case.signal,
            witness=case.witness,
        )
        written = time.perf_counter() - start
        command = [sys.executable, "-m", "benchmarks.signals", "--fold", str(metadata)]
        printed = subprocess.run(command, check=True, capture_output=True).stdout
    found = {"simulating": written} | json.loads(printed)
    print(case_name, found, flush=True)
    return found


def one_fold(metadata: Path) -> None:
    """Read, screen and train on four fifths; what a process of its own prints."""
    start = time.perf_counter()
    data = RepertoireDataset.from_metadata(metadata, workers=torch.get_num_threads())
    read = time.perf_counter()
    target = data.target("diagnosis")
    train, test = split(target, 0)[0]
    classifier = RepertoireClassifier().fit(data.subset(train), target.subset(train))
    end = time.perf_counter()
    found = {
        "reading": read - start,
        "screen and model": end - read,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "auc": area(target, test, probability(classifier, data, test)),
    }
    print(json.dumps(found))


def table(kept: dict) -> str:
    """The page of the documentation."""
    names = [POOLING, *(baseline.name for baseline in BASELINES)]
    lines = [
        "| signal | "
        + " | ".join(names)
        + " | published | asked | folds, seeds | one fold | within | planted in top k | motifs |",
        "|---|" + "--:|" * (len(names) + 6) + "---|",
    ]
    times = known(TIMES)
    for case_name, case in CASES.items():
        whole = {k: v for k, v in kept.items() if k.startswith(f"{case_name} |")}
        runs = {key: value["auc"] for key, value in whole.items()}
        told = [value for value in whole.values() if "in top k" in value]
        if len(runs) < 5:  # no seed is whole
            continue
        seeds = {key.split(" | ")[1] for key in runs}
        folds_of_seeds = f"{len(runs)}, {len(seeds)}"
        cells = [interval([run[name] for run in runs.values()]) for name in names]
        asked = "best − .01" if case.least is None else f"≥ {case.least}"
        shares = ", ".join(f"{value['in top k']:.0%}" for value in told)
        motifs = "; ".join(", ".join(f"`{m}`" for m in value["motifs"]) for value in told)
        took = "" if case_name not in times else spent(times[case_name])
        cells += [case.published, asked, folds_of_seeds, took, f"{case.minutes:.0f} min"]
        cells += [shares, motifs]
        lines.append(f"| {case_name} | {' | '.join(cells)} |")
    mixed = [v["auc"][POOLING] for k, v in kept.items() if k.startswith(SHUFFLED)]
    if mixed:
        lines.append(
            f"| {SHUFFLED} ({len(mixed)} times) | {interval(mixed)} | | | | | .50 ± .05 | | | | | |"
        )
    return "\n".join(lines) + "\n"


def spent(found: dict[str, float]) -> str:
    """The time and memory of one fold."""
    seconds = found["reading"] + found["screen and model"]
    return f"{seconds:.0f} s, {found['megabytes'] / 1024:.1f} GB"


def known(path: Path) -> dict:
    """What was measured already."""
    return json.loads(path.read_text()) if path.exists() else {}


def interval(values: list[float]) -> str:
    """The mean over folds and seeds, with Student's 95 % interval; none where all are alike."""
    if min(values) == max(values):
        return f"{values[0]:.3f}"
    half = student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    return f"{np.mean(values):.3f} ± {half:.3f}"


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.signals", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="SIGNAL", help=", ".join([*CASES, SHUFFLED]))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--times", action="store_true", help="measure one fold of each instead")
    parser.add_argument("--fold", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fold is not None:
        one_fold(options.fold)
        return
    names = options.cases or [*CASES, SHUFFLED]
    if unknown := set(names) - {*CASES, SHUFFLED}:
        parser.error(f"{unknown.pop()!r} is no signal; those are {', '.join([*CASES, SHUFFLED])}")
    path = TIMES if options.times else FOUND
    kept = known(path)
    if options.times:
        for name in names:
            if name != SHUFFLED:
                kept[name] = time_of(name)
                path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
        return
    for seed in options.seeds:
        for name in names:
            if name == SHUFFLED:
                shuffled(options.seeds[0], kept, path)
            else:
                auc_of(name, seed, kept, path)
    write(table(kept))


def write(found: str) -> None:
    """Put the table into the documentation."""
    page = DOCS / "repertoire.md"
    before, _, rest = page.read_text().partition(START)
    page.write_text(f"{before}{START}\n{found}{END}{rest.partition(END)[2]}")
    print(found)


if __name__ == "__main__":
    main()
