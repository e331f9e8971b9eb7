"""`claims`: check what the paper says, and write what came out."""

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from hopfield import _check
from hopfield.claims.claim import Claim, Finding, Measured, Rows, Setting, Verdict
from hopfield.claims.collection import CLAIMS
from hopfield.claims.model import check_model
from hopfield.claims.page import Checked, page
from hopfield.errors import ArgumentError, FileError
from hopfield.files.claim import claim as claim_folder
from hopfield.files.ledger import Ledger
from hopfield.files.whole import written_whole

SETTINGS, PARTS, FOUND, PAGE = "settings.json", "parts.jsonl", "claims.json", "claims.html"
FORMAT = 1
TEXTS = ("name", "source", "says", "criterion")


@dataclass(frozen=True)
class Claims:
    """What the checks came to.

    Attributes:
        checked: the claims of the folder so far, in the order of the abstract.
        about: how, where and by what they were checked.
        folder: with `claims.json` and `claims.html`.
    """

    checked: Sequence[Checked]
    about: dict[str, Any]
    folder: Path

    def __str__(self) -> str:
        width = max(len(one.claim.name) for one in self.checked)
        lines = [
            f"{one.claim.name:<{width}}  {one.finding.verdict:<17}  {one.finding.reason}"
            for one in self.checked
        ]
        return "\n".join([*lines, "", f"report: {self.folder / PAGE}"])


def claims(
    out: str | Path = "claims",
    *,
    quick: bool = False,
    only: Sequence[str] = (),
    model: str | None = None,
    text: str | Path | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Claims:
    """Check the statements of the paper's abstract, each by a criterion that was fixed before.

    What is found is kept as soon as it is there: the same call goes on where it was stopped, and
    one with other names in `only` adds to what the folder holds. One call at a time may use it.

    Args:
        out: the folder; new, empty, or of a run with the same settings.
        quick: smaller, in less than three minutes.
        only: names of claims, see `CLAIMS`; by default all of them.
        model: a transformers model, as a folder or a name of the hub, for the claims on heads.
        text: a file or folder of text for it; both or none.
        seed: of all that is random.
        progress: whether to show progress.

    Raises:
        ArgumentError: a name that is none, a model without text, or a folder that holds something
            else.
        FileError: what the folder keeps is damaged.
        MissingExtraError: Matplotlib or scikit-learn is not installed.
    """
    for library, extra in (("matplotlib", "plot"), ("sklearn", "learn")):
        _check.extra(library, extra)  # before the work, not after it
    for name in only:
        _check.choice("only", name, CLAIMS)
    seed, text = _check.seed("seed", seed), None if text is None else Path(text)
    if (model is None) != (text is None):
        raise ArgumentError("a model needs a text and a text a model: give both, or none of them")
    if text is not None and not text.exists():
        raise FileError(f"{text} is not there; a file or folder of text is expected")
    out = Path(out)
    if model is not None and text is not None:
        check_model(model, text)  # before the work, not in the middle of it
    settings: dict[str, Any] = {"quick": quick, "seed": seed, "model": model}
    settings |= {"text": text and str(text), "code": fingerprint()}
    claim_folder(out, SETTINGS, settings, "run")
    ledger = Ledger(out / PARTS)
    about = {**settings, "model": _short(model), "text": _short(settings["text"]), **_machine()}
    wanted = [name for name in CLAIMS if name in only or not only]
    with tqdm(wanted, disable=not progress, unit="claim", leave=False) as bar:
        for name in bar:
            bar.set_description(name)
            setting = Setting(quick, seed, model, text, progress, ledger, name)
            claim, finding = CLAIMS[name], CLAIMS[name].check(setting)
            texts = {field: getattr(claim, field) for field in TEXTS}
            known = {"seconds": round(setting.seconds(), 2), "where": _machine()}
            before = ledger.get(_key(name))
            if isinstance(before, dict) and before.get("seconds") == known["seconds"]:
                known["where"] = before["where"]  # all of it is kept from there
            ledger[_key(name)] = {**texts, **asdict(finding), **known}
            _write(out, ledger, about)
    checked = _write(out, ledger, about)
    page(checked, about).save(out / PAGE)
    return Claims(checked, about, out)


def fingerprint() -> str:
    """Of the code that checks: a folder of findings is of one code and no other."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.name not in ("run.py", "page.py"):  # they write what is found
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def load(path: str | Path) -> tuple[list[Checked], dict[str, Any]]:
    """The claims of a `claims.json`, and how they were checked.

    Raises:
        FileError: it is no such file.
    """
    try:
        held = json.loads(Path(path).read_text("utf-8"))
        if held["format"] != FORMAT:
            raise ValueError(f"format {held['format']!r}, not {FORMAT}")
        return [_checked(row) for row in held["claims"]], held["about"]
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}; a claims.json is expected") from error
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path} is no file of claims, or is damaged ({error})") from error


def _key(name: str) -> str:
    return f"claim {name}"


def _write(out: Path, ledger: Ledger, about: dict[str, Any]) -> list[Checked]:
    """`claims.json`, of all that the folder holds; these claims."""
    rows = [ledger[_key(name)] for name in CLAIMS if _key(name) in ledger]
    try:
        checked = [_checked(row) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(
            f"{out / PARTS} is damaged; remove it, and what it held is checked again"
        ) from error
    found = {"format": FORMAT, "about": about, "claims": rows}
    with written_whole(out / FOUND) as part:
        part.write_text(
            json.dumps(found, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8"
        )
    return checked


def _checked(row: dict[str, Any]) -> Checked:
    numbers = [Measured(**number) for number in row["numbers"]]
    tables = [Rows(**table) for table in row["tables"]]
    finding = Finding(Verdict(row["verdict"]), row["reason"], numbers, row["data"], tables)
    known = CLAIMS.get(row["name"])
    draw = known.draw if known is not None else lambda finding: {}
    name, source, says, criterion = (row[text] for text in TEXTS)
    claim = Claim(name, source, says, criterion, _refuse, draw)
    return Checked(claim, finding, row["seconds"], row["where"])


def _refuse(setting: Setting) -> Finding:
    raise NotImplementedError("a claim that was read from a file is not checked again")


def _short(path: str | None) -> str | None:
    """A name of the hub as it is; of a path on this machine its end."""
    return None if path is None else "/".join(Path(path).parts[-2:])


def _machine() -> dict[str, Any]:
    return {
        "hopfield": metadata.version("hopfield"),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
