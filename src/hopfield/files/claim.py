"""`claim`: a folder holds what was made with the same settings, and nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hopfield.errors import ArgumentError, FileError
from hopfield.files.whole import make_folder, written_whole

SHOWN = 40  # characters of a setting that messages show


def claim(folder: Path, name: str, settings: dict[str, Any], what: str) -> None:
    """Make the folder, or see that it holds the same.

    Args:
        folder: new, empty, or claimed with the same settings.
        name: of the file in it that has the settings.
        settings: everything that its content depends on, as JSON has it.
        what: the folder holds, in a word.

    Raises:
        ArgumentError: it holds something else, or is a file.
        FileError: the file of settings is damaged.
    """
    make_folder(folder)
    record = folder / name
    settings = json.loads(json.dumps(settings))  # as it will be read
    if record.exists():
        known = _read(record)
        if other := [*_other(known, settings)]:
            raise ArgumentError(
                f"{folder} holds a {what} with other settings ({'; '.join(other)}); choose another "
                f"folder, or remove it"
            )
        return
    if any(folder.iterdir()):
        raise ArgumentError(f"{folder} is not empty and holds no {what}; choose a new folder")
    with written_whole(record) as part:
        part.write_text(json.dumps(settings, indent=1) + "\n")


def _other(known: dict[str, Any], settings: dict[str, Any], within: str = "") -> Iterator[str]:
    """What differs: `seed: 0, now 1`, of settings in settings `classifier.seed: 0, now 1`."""
    for name, value in settings.items():
        before, path = known.get(name), within + name
        if isinstance(value, dict) and isinstance(before, dict):
            yield from _other(before, value, f"{path}.")
        elif before != value:
            texts = json.dumps(before), json.dumps(value)
            short = max(map(len, texts)) <= SHOWN
            yield f"{path}: {texts[0]}, now {texts[1]}" if short else path


def _read(record: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(record.read_text("utf-8")))
    except (TypeError, ValueError, RecursionError) as error:
        raise FileError(
            f"{record} is damaged ({error}); choose another folder, or remove this one"
        ) from error
