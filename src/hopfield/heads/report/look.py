"""`look`: probe a model and write the report."""

import json
from collections.abc import Collection, Iterable
from pathlib import Path

from hopfield import _check
from hopfield.heads.corpus import Corpus
from hopfield.heads.examples import examples
from hopfield.heads.fitting import sequences_for
from hopfield.heads.probe import SETTINGS, probe
from hopfield.heads.report.files import write
from hopfield.heads.report.further import check_names, further
from hopfield.heads.report.report import HeadReport
from hopfield.heads.source import Source
from hopfield.heads.watcher import Mode


def look(
    source: Source,
    texts: Iterable[str] | Corpus,
    out: str | Path,
    *,
    mode: Mode | None = None,
    sample: int = 32,
    batch_size: int = 8,
    max_length: int | None = None,
    seed: int = 0,
    analyses: Collection[str] = (),
    progress: bool = False,
) -> HeadReport:
    """What each head of a model does, as a page, tables and pictures in a folder.

    Args:
        source: the model, as `load` gives it; or `Source(name, model, tokenizer)`.
        texts: documents, or sequences as `read` gives them.
        out: the folder; new, empty, or of the same call, which then goes on where it was stopped.
        mode: see `probe`, like what follows.
        sample: states of each sequence that are looked at, in mode "sample".
        batch_size: sequences that go through the model at once.
        max_length: tokens of a sequence.
        seed: of what is chosen at random.
        analyses: further looks, of "convergence", "gradients", "space" and "flow", each at some of
            the sequences; they are not kept for a call that goes on.
        progress: whether to show it.

    Raises:
        ArgumentError: as for `probe`.
        MissingExtraError: polars or matplotlib is not installed.
    """
    for library in ("polars", "matplotlib"):
        _check.extra(library, "heads")  # before the work, not after it
    check_names(analyses)
    model, processor, out = source.model, source.processor, Path(out)
    corpus = sequences_for(model, processor, texts, max_length)
    statistics = probe(
        model,
        processor,
        corpus,
        mode=mode,
        sample=sample,
        batch_size=batch_size,
        seed=seed,
        out=out,
        progress=progress,
    )
    sizes = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "documents": len(set(corpus.document)),
        "sequences": len(corpus.sequences),
    }
    if corpus.longest is not None:
        sizes |= {"tokens": sum(map(len, corpus.sequences)), "longest": corpus.longest}
    settings = json.loads((out / SETTINGS).read_text("utf-8"))
    found = examples(model, processor, corpus, seed=seed)
    more = further(analyses, source, corpus, seed=seed, batch_size=batch_size, progress=progress)
    report = HeadReport(out, source.name, statistics, settings, sizes, found, more)
    write(report)
    return report
