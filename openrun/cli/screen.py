"""Where commands print: rich consoles that take text as it is, on the stdout and stderr of this moment."""

import sys
from typing import TextIO

from rich.console import Console

_WIDE = 120


class Screen(Console):
    """A console for text that is not ours: no markup, no emoji names, no guessed highlights."""

    def __init__(self, file: TextIO) -> None:
        is_terminal = file.isatty()
        super().__init__(
            file=file,
            markup=False,
            emoji=False,
            highlight=False,
            soft_wrap=not is_terminal,
            width=None if is_terminal else _WIDE,
        )
        self.is_live = is_terminal and self.is_terminal and not self.is_dumb_terminal
        """It can show a view that changes in place."""

    def on_broken_pipe(self) -> None:
        """Leave it to the command, which may have a run to end first."""
        raise BrokenPipeError


def screen() -> Screen:
    return Screen(sys.stdout)


def error_screen() -> Screen:
    return Screen(sys.stderr)
