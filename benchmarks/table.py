"""The page of results, from what the benchmarks wrote."""

from typing import Any

INTRODUCTION = """# Speed and memory

Measured by `make bench`, and nothing typed by hand. A section is of one run; sections may be of
different runs, since each can be renewed by itself (`python -m benchmarks NAME`). Contenders take
turns in one process; the ratio is that of times in the same round to the first contender's: median,
and in brackets the middle half. The share of a limit is that of what the same run measured: reading
an array that no cache holds, and a large matrix product. Below 1 is faster than the first one.

Machine: {machine}.
"""


def markdown(found: dict[str, Any]) -> str:
    """The page."""
    lines = [INTRODUCTION.format(machine=found["machine"])]
    cases = dict.fromkeys((row["benchmark"], row["case"]) for row in found["timed"])
    title = None
    for benchmark, case in cases:
        if benchmark != title:
            title = benchmark
            lines.append(f"\n## {benchmark.capitalize()}\n")
        rows = [r for r in found["timed"] if (r["benchmark"], r["case"]) == (benchmark, case)]
        threads = list(dict.fromkeys(row["threads"] for row in rows))
        limit = any(row["limit"] for row in rows)
        heads = [f"ms, {n} thread{'s' * (n > 1)} | ratio{' | limit' * limit}" for n in threads]
        lines.append(f"| {case or 'start'} | {' | '.join(heads)} |")
        lines.append("|---|" + ("--:|--:|" + "---|" * limit) * len(threads))
        for contender in dict.fromkeys(row["contender"] for row in rows):
            cells = []
            for n in threads:
                row = next(r for r in rows if (r["contender"], r["threads"]) == (contender, n))
                ratio = f"{row['ratio']:.2f} ({row['low']:.2f}–{row['high']:.2f})"
                share = f" | {row['limit']}" if limit else ""
                cells.append(f"{row['milliseconds']:.1f} | {ratio}{share}")
            lines.append(f"| {contender} | {' | '.join(cells)} |")
        lines.append("")
    if found["memory"]:
        lines += memory_table(found["memory"])
    return "\n".join(lines).rstrip() + "\n"


def memory_table(rows: list[dict[str, Any]]) -> list[str]:
    """Peak memory against S = N."""
    sizes = list(rows[0]["megabytes"])
    lines = [
        "\n## Memory\n",
        "Peak beyond the inputs, forward and backward, d = 64, in MB; linear growth is × 4 from "
        "the first column to the last.\n",
        f"| S = N | threads | {' | '.join(sizes)} | growth |",
        "|---|--:|" + "--:|" * len(sizes) + "--:|",
    ]
    for row in rows:
        values = [row["megabytes"][size] for size in sizes]
        cells = " | ".join(f"{value:.0f}" for value in values)
        lines.append(
            f"| {row['contender']} | {row['threads']} | {cells} | × {values[-1] / values[0]:.1f} |"
        )
    return lines
