"""A command that prints a product's log until it is stopped, as journalctl does behind ssh."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from drivers.lifecycle.product import end, fill, listen
from drivers.log import Lines


class CommandLog:
    """The lines of its standard output; its errors are none of the product's records, its end is trouble."""

    def __init__(self, command: Sequence[str], *, words: Mapping[str, str], folder: Path) -> None:
        self.lines = Lines()
        filled = fill(command, words)

        def heard(line: str | None) -> None:
            if line is None:
                self.lines.ended = f"the log's command {filled[0]} has ended"

        self._process = listen(filled, folder, self.lines, heard, stderr=subprocess.DEVNULL)

    def close(self) -> None:
        """End the command and the group it leads."""
        end(self._process)
