"""The files of a report on heads: the page, tables, pictures, and all in short as JSON."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hopfield import _check
from hopfield.errors import FileError
from hopfield.files.arrays import load_arrays
from hopfield.files.whole import written_whole
from hopfield.heads.probe import SETTINGS, STATE
from hopfield.heads.report import figures
from hopfield.heads.report.page import page
from hopfield.heads.report.report import PAGE, HeadReport
from hopfield.heads.report.versions import versions
from hopfield.heads.statistics import QUANTILES, HeadStatistics, tallies_of
from hopfield.phases import HeadClass

SUMMARY = "summary.json"
MOST = 2_000_000  # bytes of a page


def write(report: HeadReport) -> None:
    """Write `report.html`, `heads.csv`, `heads.parquet`, `summary.json` and `figures/`.

    Each further look has a table of its own, such as `convergence.csv`.

    Raises:
        MissingExtraError: polars or matplotlib is not installed.
    """
    folder, statistics = report.folder, report.statistics
    table = frame(statistics)
    with written_whole(folder / "heads.csv") as part:
        table.write_csv(part)
    with written_whole(folder / "heads.parquet") as part:
        table.write_parquet(part)
    overview, places = figures.overview(statistics), figures.places(statistics)
    maps = figures.maps(statistics)
    for some in (overview, places, maps):
        figures.save(some, folder / "figures")
    for one in report.analyses:
        figures.save(one.pictures, folder / "figures")
        if not one.rows:
            continue
        with written_whole(folder / f"{one.name}.csv") as part:
            _check.extra("polars", "heads").DataFrame(one.rows, nan_to_null=True).write_csv(part)
    whole = page(report, overview, places, maps)
    if len(whole.html().encode()) > MOST:
        whole = page(report, overview, places, maps, short=True)
    whole.save(folder / PAGE)
    with written_whole(folder / SUMMARY) as part:  # last: it says that the report is whole
        part.write_text(json.dumps(in_short(report), indent=1, ensure_ascii=False) + "\n", "utf-8")


def frame(statistics: HeadStatistics) -> Any:
    """A row for each head, with all that `Head` has, as a polars frame."""
    polars = _check.extra("polars", "heads")
    rows = []
    for head in statistics.heads:
        row = asdict(head) | {
            "head_class": head.head_class.name,
            "class_content": head.class_content.name,
        }
        shares = zip(QUANTILES, row.pop("quantiles"), strict=True)
        row |= {f"share_{100 * at:02.0f}": share for at, share in shares}
        rows.append({name: _plain(value) for name, value in row.items()})
    return polars.DataFrame(rows, nan_to_null=True)


def _plain(value: Any) -> Any:
    """A number without its numpy type."""
    return value.item() if hasattr(value, "item") else value


def in_short(report: HeadReport) -> dict[str, Any]:
    """Classes by layer, what is said of them, settings, sizes and versions."""
    layers = [
        {
            "layer": heads[0].layer,
            "module": heads[0].module,
            "cross": heads[0].cross,
            "beta": [head.beta for head in heads],
            "visible": heads[0].visible,
            "states": heads[0].states,
            "classes": {c.name: sum(head.head_class == c for head in heads) for c in HeadClass},
        }
        for heads in report.statistics.layers
    ]
    return {
        "what": "hopfield heads report",
        "model": report.name,
        "story": report.story(),
        "layers": layers,
        "jacobian_by_class": {
            kind: {"states": count, "mean": mean}
            for kind, (count, mean) in report.statistics.stretch().items()
        },
        "jacobian_by_class_of_heads": {
            head_class.name: {"mean": without, "mean_beta": with_beta}
            for head_class, (without, with_beta) in report.statistics.jacobians().items()
        },
        "analyses": {one.name: list(one.found) for one in report.analyses},
        "settings": dict(report.settings),
        "sizes": dict(report.sizes),
        "versions": versions(),
    }


def load_report(folder: str | Path) -> HeadReport:
    """What a probe kept in a folder, with its report or without one; examples are not kept.

    Raises:
        FileError: there is no probe, it is not finished, or a file is damaged.
    """
    folder = Path(folder)
    if not (folder / SETTINGS).is_file():
        raise FileError(
            f"{folder} holds no probe; a folder that `hopfield heads probe` wrote to is expected"
        )
    try:
        settings = json.loads((folder / SETTINGS).read_text("utf-8"))
        sequences = int(settings["sequences"].split()[0])
        arrays = load_arrays(folder / STATE) if (folder / STATE).exists() else {"done": np.array(0)}
        if int(arrays["done"]) < sequences:
            raise FileError(
                f"{folder} holds a probe that is not finished; the same command goes on with it"
            )
        known = folder / SUMMARY
        told = json.loads(known.read_text("utf-8")) if known.exists() else {}
        name, sizes = told.get("model", str(folder)), told.get("sizes", {"sequences": sequences})
        statistics = HeadStatistics.of(tallies_of(arrays), settings["seed"])
    except FileError:
        raise
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise FileError(f"{folder} holds a damaged probe ({error}); probe again") from error
    return HeadReport(folder, name, statistics, settings, sizes)
