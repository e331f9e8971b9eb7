"""`MemoryInfo`: what a memory is and holds, in numbers."""

from dataclasses import dataclass
from typing import Literal

from hopfield.memory.contents import Contents
from hopfield.memory.form import Scan
from hopfield.memory.store.store import Store
from hopfield.similarity import Similarity


@dataclass(frozen=True)
class MemoryInfo:
    """What a memory is and holds.

    Attributes:
        path: where it is kept; None in memory alone.
        patterns: how many there are.
        dim: d.
        dtype: in which they are stored.
        beta: β; None while it is still to be found.
        similarity: how patterns are compared.
        separation: "softmax", "softmax1", or "topk:" and k.
        scan: whether associations read the patterns themselves, or codes first.
        values: "labels", the width of values, or None without any.
        segments: how many parts there are, besides small adds.
        removed: patterns that are there no more, and whose bytes `compact` gives back.
        bytes: of all files; 0 in memory alone.
        log_bytes: of them, those of small changes.
        index: whether there is an index.
    """

    path: str | None
    patterns: int
    dim: int
    dtype: str
    beta: float | None
    similarity: Similarity
    separation: str
    scan: Scan
    values: Literal["labels"] | int | None
    segments: int
    removed: int
    bytes: int
    log_bytes: int
    index: bool

    def __str__(self) -> str:
        values = f"of width {self.values}" if isinstance(self.values, int) else self.values
        lines = {
            "patterns": f"{self.patterns} of width {self.dim}, {self.dtype}",
            "beta": "to be found" if self.beta is None else f"{self.beta:.6g}",
            "similarity": self.similarity,
            "separation": self.separation,
            "scan": self.scan,
            "values": values or "none",
            "segments": self.segments,
            "removed": self.removed,
            "bytes": f"{self.bytes} ({self.log_bytes} of them in the log)",
            "index": "yes" if self.index else "none",
        }
        rows = "\n".join(f"  {name:<10}  {value}" for name, value in lines.items())
        return f"{self.path or 'in memory'}\n{rows}"


def memory_info(
    contents: Contents, beta: float | None, store: Store | None, indexed: bool
) -> MemoryInfo:
    """What a memory is and holds, from its parts; `indexed`: an index is in memory."""
    form, blocks = contents.form, [*contents.blocks()]
    kept, kind = form.as_json(), contents.value_kind
    known = None if store is None else store.manifest
    return MemoryInfo(
        path=None if store is None else str(store.path),
        patterns=len(contents),
        dim=form.dim,
        dtype=kept["dtype"],
        beta=beta,
        similarity=form.similarity,
        separation=":".join(map(str, kept["separation"].values())).lower(),
        scan=form.scan,
        values=kind[0] if isinstance(kind, tuple) else ("labels" if kind == "labels" else None),
        segments=len(contents.held),
        removed=sum(len(held.segment) - len(held) for held in blocks),
        bytes=0 if known is None else sum(entry.size for entry in known.entries),
        log_bytes=0 if known is None or known.log is None else known.log.size,
        index=indexed or (known is not None and known.index is not None),
    )
