"""What was measured is kept in a file, so that work that was stopped goes on."""

import json
from pathlib import Path
from typing import Any

from hopfield.errors import FileError


class Ledger:
    """Findings by name, each a line of a file as soon as it is there.

    Args:
        path: of the file, which may be there already; None: they are kept in memory alone.

    Raises:
        FileError: the file holds something else.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._found: dict[str, Any] = {}
        if path is None or not path.exists():
            return
        try:
            lines = path.read_text("utf-8").split("\n")
            self._found = dict(json.loads(line) for line in lines[:-1])
        except (ValueError, TypeError) as error:
            raise FileError(
                f"{path} is damaged ({error}); remove it, and what it held is measured again"
            ) from error
        if lines[-1]:  # a line that was being written when work was stopped
            path.write_text("".join(f"{line}\n" for line in lines[:-1]), "utf-8")

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def __getitem__(self, name: str) -> Any:
        return self._found[name]

    def get(self, name: str) -> Any:
        """The finding of that name, or None."""
        return self._found.get(name)

    def __setitem__(self, name: str, finding: Any) -> None:
        """Keep a finding, which JSON can hold."""
        self._found[name] = finding
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([name, finding]) + "\n")
