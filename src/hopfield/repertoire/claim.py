"""`claim`: a folder holds what was made with the same settings, and nothing else."""

import json
from pathlib import Path
from typing import Any

from hopfield.errors import ArgumentError, FileError
from hopfield.repertoire.reading.whole import written_whole


def claim(folder: Path, name: str, settings: dict[str, Any], what: str) -> None:
    """Make the folder, or see that it holds the same.

    Args:
        folder: new, empty, or claimed with the same settings.
        name: of the file in it that has the settings.
        settings: everything that its content depends on, as JSON has it.
        what: the folder holds, in a word.

    Raises:
        ArgumentError: it holds something else.
        FileError: the file of settings is damaged.
    """
    record = folder / name
    settings = json.loads(json.dumps(settings))  # as it will be read
    if record.exists():
        known = _read(record)
        if other := [name for name in settings if known.get(name) != settings[name]]:
            raise ArgumentError(
                f"{folder} holds a {what} with another {', '.join(other)}; choose another folder, "
                f"or remove it"
            )
        return
    if folder.exists() and any(folder.iterdir()):
        raise ArgumentError(f"{folder} is not empty and holds no {what}; choose a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    with written_whole(record) as part:
        part.write_text(json.dumps(settings, indent=1) + "\n")


def _read(record: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(record.read_text("utf-8")))
    except (TypeError, ValueError, RecursionError) as error:
        raise FileError(
            f"{record} is damaged ({error}); choose another folder, or remove this one"
        ) from error
