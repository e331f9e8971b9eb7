"""What the heads of MiniLM do beyond their statistics: convergence, gradients, space and flow.

python -m benchmarks.heads_analyses

Over 32 sequences of 256 tokens of the documentation of Python. Writes what it finds into
docs/heads_analyses.md, and pictures into docs/images.
"""

import time
from collections.abc import Callable
from pathlib import Path
from textwrap import fill

import torch

from benchmarks import minilm
from hopfield.heads import Corpus, Source
from hopfield.heads.converge import converge
from hopfield.heads.flow import flow
from hopfield.heads.gradients import gradients
from hopfield.heads.report import convergence
from hopfield.heads.report import flow as flows
from hopfield.heads.report import gradients as grads
from hopfield.heads.report import space as spaces
from hopfield.heads.report.analysis import Analysis
from hopfield.heads.space import space
from hopfield.report import Table, cell

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "heads_analyses.md"
LENGTH, SEQUENCES = 256, 32
SHOWN = ("convergence_kinds", "gradients_by_kind", "space_planes", "flow_share")
LONGEST = 12  # rows of a table


def looks(source: Source, corpus: Corpus) -> list[Callable[[], Analysis]]:
    """The four of them."""
    given = source.model, source.processor, corpus
    return [
        lambda: convergence.analysis(converge(*given, sequences=SEQUENCES)),
        lambda: grads.analysis(gradients(*given, sequences=SEQUENCES)),
        lambda: spaces.analysis(space(*given, sequences=SEQUENCES)),
        lambda: flows.analysis(flow(*given, sequences=SEQUENCES)),
    ]


def markdown(table: Table) -> str:
    """A table for the documentation."""
    names = [name.replace("|", "\\|") for name in table.columns]
    lines = [names, ["---"] * len(names)]
    lines += [[cell(value, table.decimals) for value in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def told(analysis: Analysis, seconds: float) -> str:
    """What is written of it."""
    parts = [fill(" ".join(analysis.found), 100)]
    parts += [markdown(table) for table in analysis.tables if len(table.rows) <= LONGEST]
    for name, picture in analysis.pictures.items():
        if name in SHOWN:
            (DOCS / "images" / f"heads_{name}.png").write_bytes(picture.figure.light)
            alt = picture.caption.partition(". ")[0]
            parts.append(f"![{alt}](images/heads_{name}.png)")
    took = f"({seconds:.0f} s of processor time on {torch.get_num_threads()} thread"
    return "\n\n".join([*parts, took + "s" * (torch.get_num_threads() > 1) + ".)"])


def write(name: str, text: str) -> None:
    """Put the text where the page has a place of that name."""
    page = PAGE.read_text("utf-8")
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = page.partition(start)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{start}\n{text}\n{end}{after}", "utf-8")


def main() -> None:
    """Look, and write."""
    source = minilm.model()
    corpus = minilm.text(source, LENGTH, 500)
    for look in looks(source, corpus):
        begun = time.process_time()
        found = look()
        write(found.name, told(found, time.process_time() - begun))
        print(found.title, *found.found, sep="\n", end="\n\n")


if __name__ == "__main__":
    main()
